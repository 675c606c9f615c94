"""Rules for Files: whose bytes a File may lead to, who reads them, and what a File may write beside them.

A private file of a document of ours is made by an upload, or by code of the site. It keeps its address, its hash and
its document. So no File takes bytes that are there already, and nobody else's become ours. (15, 16)

Frappe reads any file in the site's folder for the address in a File, and writes the address into any field that the
File names (`attached_to_field`), without a permission. (15, 16)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import frappe
from frappe import _
from frappe.utils import cint

from dartwing_core.jobs.access import desk_access, result_files, visibility
from dartwing_core.jobs.access.desk_access import ENGINE_DOCTYPES, TENANT_DOCTYPES, now_and_before
from dartwing_core.jobs.base import config

from . import links
from .references import REFERENCES, check_other_apps, may_refer_to

if TYPE_CHECKING:
    from frappe.model.document import Document

IDENTITY = ("attached_to_doctype", "attached_to_name", "file_url", "content_hash", "is_private", "is_folder")
ATTACHMENT = ("attached_to_doctype", "attached_to_name", "attached_to_field")
ATTACH_TYPES = frozenset({"Attach", "Attach Image"})
REMOTE = ("http://", "https://")


# Reading --------------------------------------------------------------------------------------------------------


def has_file_permission(doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of File: a job's files are as private as its result.

    Files of another document of ours are as private as that document. The other hooks decide on all other files.
    """
    attached = now_and_before(doc, REFERENCES["File"])
    if not all(may_read_files_of(doctype, name, user) for doctype, name in attached):
        return False
    if result_files.is_foreign(doc, result_files.addresses(doc)):
        return False
    return check_other_apps(doc, ptype, user, debug)


def may_read_files_of(doctype: str | None, name: str | None, user: str | None = None) -> bool:
    """Whether a user may read the files of a document. Yes for documents of others' DocTypes."""
    if doctype != config.JOB or not name:
        return may_refer_to(doctype, name, user)
    viewer, job = visibility.viewer(user), desk_access.job_of(name)
    may_see = job is not None and viewer.can_see(job["owner_user"], job["organization"])
    return viewer.sees_everything or (may_see and viewer.can_see_result(job))


def check_path(file: Document, path: str) -> None:
    """Raises frappe.PermissionError unless the user may read the bytes at a File's path.

    Frappe asks the owner's permission alone in some functions, and reads all of the site's folder.
    """
    if path.startswith((*REMOTE, "/api/method/")):
        return
    owners = _owners_of(path)
    if owners and file.get("name") not in owners:
        result_files.throw_foreign()
    if not is_by_request() or visibility.viewer().sees_everything:
        return
    if not result_files.is_within_files(path):
        frappe.throw(_("Only files of the site can be read."), frappe.PermissionError)
    if owners and not any(may_read_files_of(*document) for document in owners.values()):
        result_files.throw_foreign()


def _owners_of(path: str) -> dict[str, tuple[str, str]]:
    address = result_files.address_of(path)
    return result_files.owners_at([address]).get(address, {}) if address else {}


def check_writing(file: Document) -> Path | None:
    """The path of a File of ours, and None for others.

    Raises frappe.PermissionError unless the user may write there, as the stored File is.
    """
    path = file.get_full_path()
    owners = _owners_of(path)
    if owners and is_by_request() and not frappe.has_permission("File", "write", doc=file.get("name")):
        result_files.throw_foreign()
    return Path(path) if owners else None


def is_by_request() -> bool:
    """Whether one of Frappe's own functions runs, with what a user has sent. Code of apps may do anything."""
    return bool(frappe.flags.get(links.FLAG))


# Making ---------------------------------------------------------------------------------------------------------


def is_made_as_ours(file: Document) -> bool:
    """Whether a new File needs bytes of its own: a private one of a document of ours, or one that is there already.

    A link to another site has no bytes. Published files are for everybody.
    """
    address = unquote(file.file_url or "")
    is_link = address.startswith(REMOTE) and "/files/" not in address
    is_private = cint(file.is_private) or address.startswith("/private")  # as Frappe decides it
    return file.attached_to_doctype in TENANT_DOCTYPES and bool(is_private if file.content else not is_link)


def take_bytes(file: Document) -> None:
    """Give a new File of ours bytes of its own. Users upload them; for code of the site they are copied."""
    if file.is_folder or (not file.content and is_by_request()):
        text = _("A file of {0} must be uploaded. It can't be a file that is there already.")
        frappe.throw(text.format(_(file.attached_to_doctype)), frappe.PermissionError)
    file.set_is_private()
    if not file.content:
        file.set_file_name()
        file.content = file.get_content()
    file.file_url = ""


# Changing -------------------------------------------------------------------------------------------------------


def check_file(doc: Document, _method: str | None = None) -> None:
    """`before_validate` of File: nobody attaches to a job by hand, and a file of ours stays what it is.

    No File of another document leads to one. Runs before Frappe's own `validate`, which moves the file on the disk.
    """
    is_of_job = doc.attached_to_doctype in ENGINE_DOCTYPES
    if is_of_job and not cint(doc.is_private):
        kind = frappe.ValidationError if doc.is_new() else frappe.PermissionError
        frappe.throw(_("Files of background jobs must be private."), kind)
    is_by_hand = getattr(frappe.local, "request", None) and not doc.flags.ignore_permissions
    if is_of_job and is_by_hand and any(map(doc.has_value_changed, IDENTITY)):  # also if it is new
        frappe.throw(_("Files of background jobs come from their handlers."), frappe.PermissionError)
    if is_by_request():
        doc.update({field: cint(doc.get(field)) for field in ("is_private", "is_folder")})  # a form sends text
        _check_identity(doc)
        if any(map(doc.has_value_changed, ATTACHMENT)):
            _check_field(doc)
    if result_files.is_foreign(doc, result_files.addresses(doc)):
        result_files.throw_foreign()


def _check_identity(doc: Document) -> None:
    """Raises frappe.PermissionError for a change of a file of ours, and for a File that is to become one later."""
    before, marked = doc.get_doc_before_save(), result_files.is_marked
    is_link = (doc.file_url or "").startswith(REMOTE)
    becomes_ours = doc.attached_to_doctype in TENANT_DOCTYPES and cint(doc.is_private) and not is_link
    if before is None:
        is_wrong = becomes_ours and not doc.flags.has_own_bytes
    else:
        is_held = marked(before.content_hash) or becomes_ours
        # Frappe moves and deletes Files of equal hashes together. It computes a hash itself, also for new bytes.
        is_forged = (doc.content_hash or None) != (before.content_hash or None) and not doc.flags.has_new_hash
        is_wrong = is_forged or (is_held and any(map(doc.has_value_changed, IDENTITY)))
    if is_wrong:
        text = _("A private file of a background job, a schedule or an organization can't be moved or changed.")
        frappe.throw(f"{text} {_('Upload it where you need it.')}", frappe.PermissionError)


def _check_field(doc: Document) -> None:
    """Raises frappe.PermissionError if Frappe would write the file's address into a field that is none for files."""
    doctype, field = doc.attached_to_doctype, doc.attached_to_field
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
        _check_field(file)
