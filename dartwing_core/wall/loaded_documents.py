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

from . import by_request, callers
from .loaded_names import loaded_name
from .report_access import may_hold_ours

NEW, OWNED = "__islocal", "dartwing_core_stored_owner"


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
    """`Document.has_permission`: a sent document says of itself whose it is, and some permissions are the owner's."""

    @functools.wraps(has_permission)
    def checked(self: Document, permtype: str = "read", *arguments: Any, **named: Any) -> bool:
        is_sent = by_request.is_by_request() and permtype != "create" and not loaded_name(self) and self.name
        if is_sent and not self.meta.issingle and not self.meta.istable and not self.flags.get(OWNED):
            stored = frappe.db.get_value(self.doctype, self.name, ["owner", "creation"], as_dict=True)
            self.flags[OWNED] = True
            self.update(stored or {})
        return has_permission(self, permtype, *arguments, **named)

    return checked


BaseDocument.update = _checking(BaseDocument.update)
for _name in ("insert", "_save"):
    setattr(Document, _name, _saving(getattr(Document, _name)))
Document.has_permission = _by_stored_owner(Document.has_permission)
