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
from frappe.model.base_document import BaseDocument
from frappe.utils import formatters

from dartwing_core.jobs.access import visibility

from . import wrapping
from .doctypes import guarded_doctype

KNOWN = "dartwing_core_readable"
"""In `frappe.flags`: whether users may read rows, within this request or job."""


def _of_visible(find: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(find)
    def found(df: Any, doc: Any = None) -> Any:
        return None if _is_hidden(df, doc) else find(df, doc)

    return found


def _is_hidden(df: Any, doc: Any) -> bool:
    """Whether the currency would come from a hidden row of ours, or about ours. A stored column may name any row."""
    options = str(df.get("options") or "").split(":")
    if not doc or not options[0]:
        return False
    own = [(doc.get("doctype"), doc.get("name")), (doc.get("parenttype"), doc.get("parent"))]
    read = [(doctype, name) for doctype, name in own if guarded_doctype(doctype)]
    named = options[0] if len(options) == 3 else None
    if named and (guarded_doctype(named) or not isinstance(df, BaseDocument)):
        read.append((named, doc.get(options[1])))
    if not read or visibility.sees_everything(
        frappe.session.user
    ):  # asked last, since each cell of a report comes here
        return False
    return not all(_may_read(doctype, name) for doctype, name in read if name)


def _may_read(doctype: str, name: Any) -> bool:
    """Whether the user may read a row. Remembered, since a report asks for each of its cells."""
    known: dict[Any, bool] = frappe.flags.setdefault(KNOWN, {})
    key = frappe.session.user, doctype, str(name)
    if key not in known:
        try:
            known[key] = bool(frappe.has_permission(doctype, "read", doc=str(name)))
        except frappe.DoesNotExistError:  # also a hidden one
            frappe.clear_last_message()
            known[key] = False
    return known[key]


for _module in (meta, formatters):
    wrapping.replace(_module, "get_field_currency", _of_visible)
