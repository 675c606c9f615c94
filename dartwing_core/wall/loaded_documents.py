"""A loaded document stays the one that was loaded.

Frappe loads a document, and then updates it with the values of the request. If these say that it is new (`__islocal`),
or give it another name, Frappe asks about the values of the request alone, and answers with a copy of the hidden row.
It also saves the hidden row into the user's own one, with all rows of its child tables. So values for a loaded document
of any DocType neither call it new nor name another one. (15, 16)

A document that is sent whole is nobody's by its own word: its owner and creation are those of the stored row. (15, 16)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import frappe
from frappe import _
from frappe.model.base_document import BaseDocument
from frappe.model.document import Document

from dartwing_core.jobs.access import visibility

from . import by_request, callers, wrapping
from .loaded_names import OWNER, loaded_name
from .report_access import may_hold_ours

NEW, RESTORED = "__islocal", "dartwing_core_owner_restored"


def _checking(update: Callable[[BaseDocument, Any], Any]) -> Callable[[BaseDocument, Any], Any]:
    @functools.wraps(update)
    def checked(self: BaseDocument, d: Any) -> Any:
        if by_request.is_by_request() and _becomes_another(self, d):
            _throw_other()
        return update(self, d)

    return checked


def _saving(save: Callable[..., Any]) -> Callable[..., Any]:
    """`_save` and `insert`: some functions of Frappe's set fields that a request names, one by one."""

    @functools.wraps(save)
    def checked(self: Document, *arguments: Any, **named: Any) -> Any:
        if by_request.is_by_request() and _becomes_another(self, {NEW: self.get(NEW), "name": self.name}):
            _throw_other()
        return save(self, *arguments, **named)

    return checked


def _throw_other() -> None:
    """Refuse to make another document of a loaded one."""
    raise frappe.ValidationError(_("A saved document can't be changed into another one. Make a new one."))


def _becomes_another(document: BaseDocument, values: Any) -> bool:
    name = loaded_name(document)
    if not name or not (values.get(NEW) or str(values.get("name", name)) != str(name)):
        return False
    if visibility.viewer().sees_everything:
        return False
    return callers.frappe_saves(document) or may_hold_ours(document.doctype)  # hooks of apps copy what is theirs


def _by_stored_owner(has_permission: Callable[..., bool]) -> Callable[..., bool]:
    """`Document.has_permission`: values of a request say whose a document is, and some permissions are the owner's."""

    @functools.wraps(has_permission)
    def checked(self: Document, permtype: str = "read", *arguments: Any, **named: Any) -> bool:
        if by_request.is_by_request() and permtype != "create":
            _restore_owner(self)
        return has_permission(self, permtype, *arguments, **named)

    return checked


def _restore_owner(document: Document) -> None:
    """Give a loaded document the owner of its load, and one that was sent whole those values of the stored row."""
    if loaded_name(document):
        document.owner = document.flags.get(OWNER, document.owner)
        return
    meta = document.meta
    has_no_row = not document.name or meta.issingle or meta.istable or meta.get("is_virtual")
    if has_no_row or document.flags.get(RESTORED) or visibility.viewer().sees_everything:
        return
    document.flags[RESTORED] = True
    document.update(frappe.db.get_value(document.doctype, document.name, ["owner", "creation"], as_dict=True) or {})


wrapping.replace(BaseDocument, "update", _checking, has_flag_of_request=True)
for _name in ("insert", "_save"):
    wrapping.replace(Document, _name, _saving, has_flag_of_request=True)
wrapping.replace(Document, "has_permission", _by_stored_owner, has_flag_of_request=True)
