"""Changing Job Engine Settings for a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import frappe

from dartwing_core.jobs import connection


@contextmanager
def settings(**values: Any) -> Iterator[None]:
    """These values while the block runs, and what was there before after it; committed, so that workers see them."""
    before = {name: frappe.db.get_single_value("Job Engine Settings", name) for name in values}
    _save(values)
    try:
        yield
    finally:
        connection.discard()
        _save(before)


def _save(values: dict[str, Any]) -> None:
    document = frappe.get_doc("Job Engine Settings")
    document.update(values)
    document.save(ignore_permissions=True)
    frappe.db.commit()
