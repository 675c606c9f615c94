"""Decides what fields for files may show, and which Files Frappe may attach to a document that shows them.

Frappe attaches the File of an address to the document whose field holds it, whoever has made that File. It writes the
address of a File into any field that the File names, without a permission. (15, 16)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _
from frappe.core.doctype.file import utils

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import TENANT_DOCTYPES
from dartwing_core.jobs.store import private_files

from . import wrapping
from .by_request import is_by_request

if TYPE_CHECKING:
    from frappe.model.document import Document

ATTACH_TYPES = frozenset({"Attach", "Attach Image"})
WEB = ("http://", "https://")


def fields_for_files(doctype: str) -> list[Any]:
    """The fields of a DocType that hold addresses of files."""
    return list(frappe.get_meta(doctype).get("fields", {"fieldtype": ["in", list(ATTACH_TYPES)]}))


# Fields of documents of ours ----------------------------------------------------------------------------------------


def check_shown_files(doc: Document, _method: str | None = None) -> None:
    """`validate` of documents of ours that people write: a field for files shows a private file of this document alone.

    Raises frappe.PermissionError for another one.
    """
    if doc.get("__temporary_name") and frappe.db.exists(doc.doctype, doc.get("__temporary_name")):
        doc.delete_key("__temporary_name")  # Frappe moves the files of a new form to its document
    for field in fields_for_files(doc.doctype) if is_by_request() else ():
        address = str(doc.get(field.fieldname) or "")
        if doc.has_value_changed(field.fieldname) and not _may_be_shown(doc, address):
            text = _("{0} shows files of this document only. Save the document, then upload the file here.")
            frappe.throw(text.format(_(field.label)), frappe.PermissionError)


def _may_be_shown(doc: Document, address: str) -> bool:
    """Whether a field for files may hold this: a link, a file of the document, or a published one of another document.

    Frappe compares addresses as the database does, which ignores case. So any other text is refused.
    """
    if not address or address.startswith((*WEB, "/files/")):
        return True
    own = {"attached_to_doctype": doc.doctype, "attached_to_name": doc.name, "file_url": address}
    return private_files.is_kept(address) and address in frappe.get_all("File", own, pluck="file_url")


# Frappe's attachments -----------------------------------------------------------------------------------------------


def _wrapped(attach: Callable[..., None]) -> Callable[..., None]:
    """`attach_files_to_document`, which does nothing for documents of ours and rows about them.

    The files that ours show are attached already, or published. To rows about ours nothing is added (`further_rows`).
    """

    @functools.wraps(attach)
    def attach_to_others(doc: Document, event: str | None = None) -> None:
        is_ours = doc.doctype in TENANT_DOCTYPES or doc.flags.is_about_ours
        if not (is_by_request() and is_ours):
            attach(doc, event)

    return attach_to_others


wrapping.replace(utils, "attach_files_to_document", _wrapped, has_flag_of_request=True)


# Frappe's writes into documents -------------------------------------------------------------------------------------


def check_field(doctype: str | None, field: str | None) -> None:
    """Raises frappe.PermissionError if Frappe would write a file's address into a field that is none for files."""
    if not doctype or not field or visibility.viewer().sees_everything or not frappe.db.exists("DocType", doctype):
        return
    meta = frappe.get_meta(doctype)
    own, children = meta.get_field(field), [frappe.get_meta(table.options) for table in meta.get_table_fields()]
    kinds = {found.fieldtype for one in (meta, *children) if (found := one.get_field(field))}
    is_standard = own is None and field in meta.get_valid_columns()
    is_nowhere = not kinds and meta.issingle  # Frappe stores values of a Single under any name
    if is_standard or is_nowhere or kinds - ATTACH_TYPES:
        frappe.throw(_("{0} of {1} holds no file.").format(field, _(doctype)), frappe.PermissionError)


def check_publishing(file: Document) -> None:
    """Raises frappe.PermissionError if the File's new address would change a document that the user may not write.

    Also if Frappe would write it into a field that is none for files, and does not show the File.
    """
    doctype, name, old = file.attached_to_doctype, file.attached_to_name, file.file_url
    if file.is_remote_file or not is_by_request() or visibility.viewer().sees_everything:
        return
    if not doctype or not name or not frappe.db.exists(doctype, name) or not file.fetch_attached_to_field(old):
        return
    shows_it = frappe.get_doc(doctype, name)
    if not frappe.has_permission(doctype, "write", doc=shows_it):
        text = _("You may not change {0} {1}, which shows this file.")
        frappe.throw(text.format(_(doctype), name), frappe.PermissionError)
    if shows_it.get(file.attached_to_field) != old:
        check_field(doctype, file.attached_to_field)
