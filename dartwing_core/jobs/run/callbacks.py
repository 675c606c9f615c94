"""The callbacks that a handler has left to its transaction's commit, in Frappe's lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import frappe

from ..lib import sql

QUICK = frozenset(
    f"{frappe.__name__}{module}"
    for module in (
        "",  # the cache of documents on Frappe 15
        ".model.document",
        ".cache_manager",
        ".model.utils.link_count",
        ".realtime",
        ".utils.background_jobs",
        ".integrations.doctype.webhook",
    )
)
"""Modules whose callbacks empty caches, publish to browsers and enqueue. They take milliseconds, and change nothing of
the process."""


def are_quick() -> bool:
    """Whether no callback comes before the commit, and only quick ones and the engine's come after it."""
    return not frappe.db.before_commit._functions and all(map(_is_quick, frappe.db.after_commit._functions))


def _is_quick(callback: Any) -> bool:
    return getattr(callback, "is_for_any_commit", False) or getattr(callback, "__module__", None) in QUICK


def set_apart() -> list[Callable[[], Any]]:
    """Take the callbacks after the commit out of the transaction, except the engine's own.

    Those outlast an error of the commit, after which the transaction's callbacks are gone.
    """
    functions = frappe.db.after_commit._functions
    others = [callback for callback in functions if not getattr(callback, "is_for_any_commit", False)]
    for callback in others:
        functions.remove(callback)
    return others


def commit() -> None:
    """Commit, and call only the engine's callbacks.

    A time limit may strike when the server has committed. No rollback callback is left then that deletes bytes.
    """
    frappe.db.before_rollback.reset()
    frappe.db.after_rollback.reset()
    sql.commit()


def run(callbacks: list[Callable[[], Any]]) -> None:
    """Call what was set apart, and what these leave in turn. Each is called, whether one before it raises or not.

    Raises the first error in the end. After an error of the commit, Frappe 15's own callback for realtime messages
    fails, since they went with the rollback.
    """
    try:
        sql.call_all(callbacks)
    finally:
        frappe.db.after_commit.run()
