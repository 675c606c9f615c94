"""Reads no currency from a hidden row.

A column of type Currency or Float may say from which row and field its currency comes, and a stored report holds any
column. Frappe reads that field without a permission, and shows its text beside the number. (15, 16)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import frappe
from frappe.model import meta
from frappe.utils import formatters

from dartwing_core.jobs.access import visibility

from .doctypes import guarded_doctype


def _of_visible(find: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(find)
    def found(df: Any, doc: Any = None) -> Any:
        return None if _is_hidden(df, doc) else find(df, doc)

    return found


def _is_hidden(df: Any, doc: Any) -> bool:
    """Whether the currency would come from one of our rows, or one about ours, that is not known to be visible."""
    options = str(df.get("options") or "")
    named = options.partition(":")[0] if ":" in options else None
    read = [guarded_doctype(one) for one in (named, doc and doc.get("doctype"), doc and doc.get("parenttype")) if one]
    if not any(read) or visibility.sees_everything(frappe.session.user):
        return False
    return read[0] is not None if named else not doc.has_permission("read")


for _module in (meta, formatters):
    _module.get_field_currency = _of_visible(_module.get_field_currency)
