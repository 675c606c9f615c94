"""What a handler has left to its transaction's commit, in Frappe's lists of callbacks."""

from __future__ import annotations

from typing import Any

import frappe

from ..db import sql

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
"""Modules whose callbacks empty caches, publish to browsers and enqueue: in milliseconds, and nothing of the process
is changed by it."""


def are_quick() -> bool:
    """Whether nothing stands before the commit, and behind it nothing but such of Frappe's own and the engine's."""
    return not frappe.db.before_commit._functions and all(map(_is_quick, frappe.db.after_commit._functions))


def _is_quick(callback: Any) -> bool:
    return getattr(callback, "is_for_any_commit", False) or getattr(callback, "__module__", None) in QUICK


def commit() -> None:
    """Commit, but run no callbacks except the engine's: `run_rest` does, for what a commit of Frappe's would run."""
    sql.commit()
    frappe.db.before_rollback.reset()
    frappe.db.after_rollback.reset()


def run_rest() -> None:
    """Run what the transaction that is committed has left; may raise, with some of them not run."""
    frappe.db.after_commit.run()
