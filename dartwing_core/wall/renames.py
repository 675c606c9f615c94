"""Lets a user merge a document into another one only if the user may write the other one.

Frappe renames a document for users who may read it, if the request says so (`force`, `validate_rename`). A rename to a
name that is taken merges the two documents, and the answer then holds all of the other one. So where rows may be about
ours, a merge also needs the permission to write the other document. And the reports, cards and charts of this app keep
their names, unless the user may write them. So do rows about our documents, for everybody. Reports keep theirs, by
which mailings and prepared reports find them: Frappe's own rename refuses them. A sent document may call itself new,
and its row be renamed without a look at that, so the row decides. (15, 16)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import REFERENCES, TENANT_DOCTYPES, throw_missing

from . import by_request, personal_rows, references
from .loaded_names import loaded_name
from .mentions import MODULE
from .personal_rows import APP
from .report_access import may_hold_ours


def _checked(rename: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(rename)
    def checked(self: Document, name: Any, *arguments: Any, **named: Any) -> Any:
        if by_request.is_by_request():
            if not visibility.viewer().sees_everything:
                _check(_stored(self), name)
            _check_rows_about_ours(self.doctype, self.name, name)
        return rename(self, name, *arguments, **named)

    return checked


def _stored(document: Document) -> Document:
    """The document, or its row if it was sent: its values say nothing about the row, which the rename then returns.

    Raises frappe.DoesNotExistError for a missing row, and for one that the user may not write.
    """
    if loaded_name(document) == document.name:
        return document
    name = document.name
    stored = frappe.get_doc(document.doctype, name) if frappe.db.exists(document.doctype, name) else None
    if stored is None or not stored.has_permission("write"):
        throw_missing(document.doctype, name)
    return stored


def _check(document: Document, name: Any) -> None:
    if document.get("module") == MODULE or APP in (document.get("app"), document.get("app_name")):
        document.check_permission("write")
    doctype = document.doctype
    if doctype == "Report":
        frappe.throw(_("{0} not allowed to be renamed").format(_(doctype)), frappe.PermissionError)
    if doctype in personal_rows.NAVIGATION:  # a request may ask for no validation, and so for no `before_rename`
        personal_rows.keep_navigation(document, "before_rename")
    is_about_ours = may_hold_ours(doctype) and doctype not in TENANT_DOCTYPES  # those check it themselves
    if is_about_ours and frappe.db.exists(document.doctype, name):
        frappe.get_doc(document.doctype, name).check_permission("write")


def _check_rows_about_ours(doctype: str, *names: Any) -> None:
    """Refuse a new name of a row about ours, and a merge into one: rows about the other one would come along."""
    if doctype in REFERENCES and any(references.is_about_ours(doctype, name) for name in names):
        text = _("A {0} about jobs, schedules or organizations keeps its name, and is merged with none.")
        frappe.throw(text.format(_(doctype)), frappe.PermissionError)


Document._rename = _checked(Document._rename)
