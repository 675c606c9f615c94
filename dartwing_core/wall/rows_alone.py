"""A row of a child table that is read or written by itself needs the permission for its own document.

Frappe asks for the permission on the parent's DocType alone, since such a row has no parent document at hand. So every
account of Desk read, added, changed and deleted rows in documents of others: a private page, an account, an event.
Neither the owner nor a hook of the parent was asked. Now each document that the row names, and each one in which the
row is stored, must allow it: to be written, if the row is. The guards of the parent that are `has_permission` hooks
decide, too. (15, 16)

Rows within a document that was loaded or sent as a whole have it at hand. `child_rows` keeps them there.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import frappe
from frappe import permissions
from frappe.model import child_table_fields

from dartwing_core.jobs.access import visibility

from . import by_request, callers, role_names, wrapping

OF_PARENT = {"create": "write", "delete": "write"}
"""Rights on a row that are another right on its document."""
READING = ("read", "select", "print", "email", "export", "report")
LOGS = "has_permission_check_logs"
"""In `frappe.flags`: why a permission is missing. Frappe shows it to the user."""


def _checking(has_child_permission: Callable[..., bool]) -> Callable[..., bool]:
    """`has_child_permission`, to which Frappe sends each question about a row of a child table."""
    signature = inspect.signature(has_child_permission)

    @functools.wraps(has_child_permission)
    def checked(*arguments: Any, **named: Any) -> bool:
        given = signature.bind(*arguments, **named).arguments
        row, user = given.get("child_doc"), given.get("user")
        if not by_request.is_by_request() or not _is_alone(row) or visibility.viewer(user).sees_everything:
            return has_child_permission(*arguments, **named)
        if not callers.frappe_saves(row):
            return has_child_permission(*arguments, **named)
        doctype, right = given["child_doctype"], given.get("ptype", "read")
        rows = _sent_and_stored(doctype, row)
        return bool(rows) and all(
            has_child_permission(**given | {"child_doc": each}) and _may(each, doctype, right, user) for each in rows
        )

    return checked


def _is_alone(row: Any) -> bool:
    return bool(row) and getattr(row, "parent_doc", None) is None


def _sent_and_stored(doctype: str, row: Any) -> list[Any]:
    """The row as it was sent, and as it is stored. The values of a sent row say nothing about the stored one."""
    is_name = isinstance(row, str | int)
    name = row if is_name else row.get("name")
    fields = ("name", *child_table_fields)
    stored = frappe.db.get_value(doctype, {"name": str(name)}, fields, as_dict=True) if name else None
    return [each for each in (None if is_name else row, stored) if each]


def _may(row: Any, doctype: str, right: str, user: str | None) -> bool:
    """Whether the document in which the row is, or is to be, allows this. No for a missing one.

    Raises frappe.PermissionError if the row gives a role to whatever has the name of its document.
    """
    kind, name = row.parenttype, str(row.parent or "")
    if not name or frappe.get_meta(kind).name != kind:  # hooks are found by the DocType's own spelling
        return False
    with _without_logs():
        try:
            parent = frappe.get_doc(kind, name)
        except frappe.DoesNotExistError:
            frappe.clear_last_message()
            return False
        is_allowed = frappe.has_permission(kind, OF_PARENT.get(right, right), doc=parent, user=user)
    if is_allowed and doctype == role_names.HAS_ROLE and right not in READING:
        role_names.check(kind, name)
    return bool(is_allowed)


@contextmanager
def _without_logs() -> Iterator[None]:
    """Let Frappe note no reason: it would name the hidden document."""
    noted = frappe.flags.pop(LOGS, None)
    try:
        yield
    finally:
        if noted is not None:
            frappe.flags[LOGS] = noted


wrapping.replace(permissions, "has_child_permission", _checking, has_flag_of_request=True)
