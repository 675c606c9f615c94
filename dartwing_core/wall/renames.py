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
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _
from frappe.model import rename_doc

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import REFERENCES, TENANT_DOCTYPES, throw_missing

from . import by_request, callers, references, role_names, wrapping
from .loaded_names import loaded_name

if TYPE_CHECKING:
    from frappe.model.document import Document


def _checked(rename: Callable[..., str]) -> Callable[..., str]:
    """`frappe.model.rename_doc.rename_doc`, which all of Frappe's functions call that rename for a request."""
    signature = inspect.signature(rename)

    @functools.wraps(rename)
    def checked(*arguments: Any, **named: Any) -> str:
        if not by_request.is_by_request() or not callers.frappe_asks(callers.SAVING, callers.OWN):
            return rename(*arguments, **named)
        given = signature.bind(*arguments, **named).arguments
        document = given.get("doc")
        doctype, old = (document.doctype, document.name) if document else (given.get("doctype"), given.get("old"))
        if not visibility.viewer().sees_everything and not given.get("ignore_permissions"):  # no request may say so
            stored = document if document and loaded_name(document) == old else _stored(doctype, old)
            if doctype not in TENANT_DOCTYPES:  # they check it themselves
                stored.check_permission("write")
            given |= {"doc": stored, "force": False, "validate": True, "ignore_if_exists": False}
        _check_rows_about_ours(doctype, old, given.get("new"))
        return rename(**given)

    return checked


def _merging(validate: Callable[..., str]) -> Callable[..., str]:
    """`validate_rename`, which gets the name that `before_rename` has made of the sent one. (15 merges unasked.)"""
    signature = inspect.signature(validate)

    @functools.wraps(validate)
    def validated(*arguments: Any, **named: Any) -> str:
        name = validate(*arguments, **named)
        given = signature.bind(*arguments, **named).arguments
        if not by_request.is_by_request() or not callers.frappe_asks(callers.SAVING, callers.OWN):
            return name
        role_names.check_rename(given["doctype"], given["old"], name)
        if given["merge"] and not given.get("ignore_permissions") and given["doctype"] not in TENANT_DOCTYPES:
            frappe.get_doc(given["doctype"], given["new"]).check_permission("write")
        return name

    return validated


def keep_accounts(doc: Document, method: str | None = None, *_names: Any) -> None:
    """`before_rename` of User. With the name of an account goes all that belongs to it: jobs, memberships, roles."""
    if by_request.is_by_request() and not visibility.viewer().sees_everything:
        frappe.throw(_("Only System Managers rename and merge accounts."), frappe.PermissionError)


def _stored(doctype: Any, name: Any) -> Document:
    """The row of this name. The values of a sent document say nothing about it.

    Raises frappe.DoesNotExistError for a missing row, and for one that the user may not write.
    """
    stored = frappe.get_doc(doctype, name) if frappe.db.exists(doctype, name) else None
    if stored is None or not stored.has_permission("write"):
        frappe.clear_messages()  # Frappe tells why, and so that there is one
        throw_missing(doctype, name)
    return stored


def _check_rows_about_ours(doctype: str | None, *names: Any) -> None:
    """Refuse a new name of a row about ours, and a merge into one: rows about the other one would come along."""
    if doctype in REFERENCES and any(references.is_about_ours(doctype, name) for name in names):
        text = _("A {0} about jobs, schedules or organizations keeps its name, and is merged with none.")
        frappe.throw(text.format(_(doctype)), frappe.PermissionError)


wrapping.replace(rename_doc, "rename_doc", _checked, has_flag_of_request=True)
wrapping.replace(rename_doc, "validate_rename", _merging, has_flag_of_request=True)
