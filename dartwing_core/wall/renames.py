"""Lets a user rename a document only with Frappe's own checks, and with the permission to write it.

Frappe renames a document for users who may read it, and skips its checks if the request says so (`force`,
`validate_rename`). A rename to a name that is taken merges the two documents: the answer holds all of the other one,
and links to one lead to the other. So a merge also needs the permission to write the other document. Accounts are
renamed and merged only by who sees everything: an account took over another one's jobs, and they ran with its roles.
Rows about our documents keep their names, for everybody. A sent document may call itself new, and its row be renamed
without a look at that, so the row decides. (15, 16)
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

from . import by_request, references
from .loaded_names import loaded_name


def _checked(rename: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(rename)
    def checked(
        self: Document, name: Any, merge: bool = False, force: bool = False, validate_rename: bool = True
    ) -> Any:
        if not by_request.is_by_request():
            return rename(self, name, merge=merge, force=force, validate_rename=validate_rename)
        stored = self
        if not visibility.viewer().sees_everything:
            stored, force, validate_rename = _stored(self), False, True
            _check(stored, name)
        _check_rows_about_ours(self.doctype, self.name, name)
        found = rename(stored, name, merge=merge, force=force, validate_rename=validate_rename)
        if stored is not self:
            self.name = stored.name
            self.reload()
        return found

    return checked


def keep_accounts(doc: Document, method: str | None = None, *_names: Any) -> None:
    """`before_rename` of User. With the name of an account goes all that belongs to it: jobs, memberships, roles."""
    if by_request.is_by_request() and not visibility.viewer().sees_everything:
        frappe.throw(_("Only System Managers rename and merge accounts."), frappe.PermissionError)


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
    doctype = document.doctype
    if doctype == "User":  # also where Frappe would call no `before_rename`
        keep_accounts(document)
    if doctype in TENANT_DOCTYPES:  # they check it themselves
        return
    document.check_permission("write")
    if frappe.db.exists(doctype, name):
        frappe.get_doc(doctype, name).check_permission("write")


def _check_rows_about_ours(doctype: str, *names: Any) -> None:
    """Refuse a new name of a row about ours, and a merge into one: rows about the other one would come along."""
    if doctype in REFERENCES and any(references.is_about_ours(doctype, name) for name in names):
        text = _("A {0} about jobs, schedules or organizations keeps its name, and is merged with none.")
        frappe.throw(text.format(_(doctype)), frappe.PermissionError)


Document._rename = _checked(Document._rename)
