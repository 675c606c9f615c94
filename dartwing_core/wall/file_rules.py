"""Rules for Files: whose bytes a File may lead to, who reads them, and what a File may write beside them.

A private file of a document of ours is made by an upload, or by code of the site. It keeps its address, its hash and
its document. So no File takes bytes that are there already, and nobody else's become ours. Where the bytes lie, and
whose they are, is in `jobs/store/private_files`. (15, 16)

Frappe reads any file in the site's folder for the address in a File, without a permission. (15, 16)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import frappe
from frappe import _
from frappe.core.doctype.file.file import URL_PREFIXES
from frappe.utils import cint, get_files_path

from dartwing_core.jobs.access import desk_access, visibility
from dartwing_core.jobs.access.desk_access import ENGINE_DOCTYPES, READING, REFERENCES, TENANT_DOCTYPES, now_and_before
from dartwing_core.jobs.base import config
from dartwing_core.jobs.store import private_files

from . import copied_files, file_places, shown_files
from .by_request import is_by_request
from .references import check_other_apps, may_refer_to

if TYPE_CHECKING:
    from frappe.model.document import Document

IDENTITY = ("attached_to_doctype", "attached_to_name", "file_url", "content_hash", "is_private", "is_folder")
ATTACHMENT = ("attached_to_doctype", "attached_to_name", "attached_to_field")
WRITTEN_BY_PEOPLE = frozenset(TENANT_DOCTYPES) - frozenset(ENGINE_DOCTYPES)
"""Documents of ours that may have published files."""


# Reading --------------------------------------------------------------------------------------------------------


def has_file_permission(doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of File: a job's files are as private as its result.

    Files of another document of ours are as private as that document. A user who may not change the document
    changes none of its files. The other hooks decide on all other files.
    """
    attached = now_and_before(doc, REFERENCES["File"], ptype)
    if not all(may_read_files_of(doctype, name, user) for doctype, name in attached):
        return False
    if ptype not in READING and not all(_may_change_files_of(doctype, name, user) for doctype, name in attached):
        return False
    return check_other_apps(doc, ptype, user, debug)


def _may_change_files_of(doctype: str | None, name: str | None, user: str | None) -> bool:
    """Whether a user may change the files of a document. Yes for documents of others' DocTypes."""
    if doctype not in TENANT_DOCTYPES or not name:
        return True
    return bool(frappe.db.exists(doctype, name)) and frappe.has_permission(doctype, "write", doc=name, user=user)


def may_read_files_of(doctype: str | None, name: str | None, user: str | None = None) -> bool:
    """Whether a user may read the files of a document. Yes for documents of others' DocTypes."""
    if doctype != config.JOB or not name:
        return may_refer_to(doctype, name, user)
    viewer, job = visibility.viewer(user), desk_access.job_of(name)
    may_see = job is not None and viewer.can_see_job(job)
    return viewer.sees_everything or (may_see and viewer.can_see_result(job))


def check_path(file: Document, path: str) -> None:
    """Raises frappe.PermissionError unless the user may read the bytes at a File's path.

    Frappe asks the owner's permission alone in some functions, and reads all of the site's folder.
    """
    if path.startswith(URL_PREFIXES):
        return
    private_files.check_length(path)
    mark = private_files.mark_at(path)
    if mark is not None and mark != private_files.mark_of(file.flags.own_id or file.get("name")):
        private_files.throw_foreign()
    if not is_by_request() or file.flags.own_id or visibility.viewer().sees_everything:
        return
    if not private_files.is_within_files(path):
        frappe.throw(_("Only files of the site can be read."), frappe.PermissionError)
    if mark is not None and not _may_read_of(file.get("name")):
        private_files.throw_foreign()


def _may_read_of(file: str) -> bool:
    """Whether the stored File is attached to a document of ours whose files the user may read."""
    document = frappe.db.get_value("File", file, ["attached_to_doctype", "attached_to_name"])
    return bool(document) and document[0] in TENANT_DOCTYPES and may_read_files_of(*document)


def check_writing(file: Document) -> Path | None:
    """The path of a stored file of ours, or of a new one in our folder. None for others.

    Raises frappe.PermissionError unless the user may write there, as the stored File is, and for a file that another
    File of ours has published.
    """
    path = file.get_full_path()
    real, is_in_folder = Path(os.path.realpath(path)), private_files.mark_at(path) is not None
    if not is_in_folder and _is_published(real) and is_published_by_another(file, real.name):
        private_files.throw_foreign()
    is_ours = (is_in_folder and not file.flags.own_id) or _is_stored_as_ours(file)
    if is_ours and is_by_request() and not frappe.has_permission("File", "write", doc=file.get("name")):
        private_files.throw_foreign()
    return Path(path) if is_in_folder or is_ours else None


def _is_stored_as_ours(file: Document) -> bool:
    """Whether a request writes a stored File of a document of ours. The File that is sent along may say otherwise."""
    name = file.get("name")
    is_asked = is_by_request() and name and not file.flags.own_id
    return bool(is_asked) and frappe.db.get_value("File", name, "attached_to_doctype") in TENANT_DOCTYPES


def _is_published(real: Path) -> bool:
    return real.parent == Path(os.path.realpath(get_files_path()))


# Making ---------------------------------------------------------------------------------------------------------


def is_made_as_ours(file: Document) -> bool:
    """Whether a new File of a document of ours lies in their folder: a private one, or one whose address hides it.

    A link to another site has no bytes. Published files are for everybody.
    """
    address = unquote(file.file_url or "")
    is_link = address.startswith(URL_PREFIXES) and "/files/" not in address
    is_there = address.startswith("/files/") and ".." not in address
    is_private = bool(cint(file.is_private) or address.startswith("/private"))  # as Frappe decides it
    is_ours = is_private if file.content else not is_link and (is_private or not is_there)
    return file.attached_to_doctype in TENANT_DOCTYPES and is_ours


def is_published_as_ours(file: Document) -> bool:
    """Whether a new File is a published one of ours. An upload of equal content would share it, and make it private."""
    is_link = (file.file_url or "").startswith(URL_PREFIXES)
    return file.attached_to_doctype in TENANT_DOCTYPES and bool(file.content or not (is_link or file.is_folder))


def take_bytes(file: Document, is_private: bool) -> None:
    """Give a new File of ours bytes of its own. Published ones, and those of code of the site, may be copies.

    Raises frappe.PermissionError if a user names a private file that is there already.
    """
    if file.is_folder or (is_private and not file.content and is_by_request()):
        text = _("A file of {0} must be uploaded. It can't be a file that is there already.")
        frappe.throw(text.format(_(file.attached_to_doctype)), frappe.PermissionError)
    file.set_is_private()
    if not file.content:
        file.set_file_name()
        file.content = file.get_content()
    file.file_url = ""


def own_hash_of(file: Document) -> str | None:
    """The stored hash of a File of ours, which stays when its bytes change. None for others and new ones."""
    is_new = file.is_new() or file.flags.own_id
    may_be_ours = is_by_request() or (file.content_hash or "").startswith(private_files.HASH)
    stored = frappe.db.get_value("File", file.name, "content_hash") if may_be_ours and not is_new else None
    return stored if (stored or "").startswith(private_files.HASH) else None


# Changing -------------------------------------------------------------------------------------------------------


def check_file(doc: Document, _method: str | None = None) -> None:
    """`before_validate` of File: nobody attaches to a job by hand, and a file of ours stays what it is.

    No File of another document leads to one. Runs before Frappe's own `validate`, which moves the file on the disk.
    """
    is_of_job = doc.attached_to_doctype in ENGINE_DOCTYPES
    if cint(doc.is_folder) and doc.attached_to_doctype in TENANT_DOCTYPES:
        frappe.throw(_("A {0} has files, but no folders.").format(_(doc.attached_to_doctype)), frappe.PermissionError)
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
            shown_files.check_field(doc.attached_to_doctype, doc.attached_to_field)
        if doc.has_value_changed("file_url"):
            check_address(doc)
        copied_files.check_changed(doc)
        file_places.check_changed(doc)
        file_places.check_thumbnail(doc)
        if doc.attached_to_doctype in TENANT_DOCTYPES:
            if ".." in (doc.get("thumbnail_url") or ""):
                frappe.throw(_("{0} is no address of a file.").format("thumbnail_url"))  # Frappe would never delete it
            doc.update(dict.fromkeys(("is_home_folder", "is_attachments_folder"), 0))  # … nor such a file


def check_address(file: Document) -> None:
    """Raises frappe.PermissionError for an address of a file of ours: only an upload gives a File such a one."""
    if not file.flags.own_id and _leads_to_ours(file.file_url or ""):
        private_files.throw_foreign()


def _leads_to_ours(address: str) -> bool:
    """Whether an address, or what Frappe makes of it when it saves the File, leads into the folder of our files."""
    return any(private_files.mark_in(text) is not None for text in (address, unquote(address)))


def is_published_by_another(file: Document, name: str) -> bool:
    """Whether a published file of this name belongs to another File of ours. Frappe deletes and moves by names.

    Not to one that only names a stranger's published file: it has no hash of ours.
    """
    address = f"/files/{name}"
    others = {"name": ["!=", file.name or ""], "is_private": 0, "attached_to_doctype": ["in", list(WRITTEN_BY_PEOPLE)]}
    others |= {"file_url": address, "content_hash": ["like", f"{private_files.HASH}%"]}
    return bool(name) and address in frappe.get_all("File", others, pluck="file_url")


def names_a_published_file_of_ours(file: Document) -> bool:
    """Whether a new File of another document only names a published file of ours, such as the picture of a user.

    A copy would have another address, so Frappe would make one at each save of the document.
    """
    address = file.file_url or ""
    is_of_others = file.attached_to_doctype not in TENANT_DOCTYPES
    return is_of_others and not file.content and is_published_by_another(file, name_to_delete(address))


def name_to_delete(address: str | None) -> str:
    """The name of the published file that Frappe deletes for an address; empty for none (`file.utils.delete_file`)."""
    start, name = os.path.split((address or "").strip("/"))
    return name if start == "files" else ""


def name_to_move(file: Document) -> str:
    """The name of the file that Frappe publishes or hides: the last part of the address."""
    return (file.file_url or "").rpartition("/")[2]


def moves_a_folder(file: Document) -> bool:
    """Whether Frappe would publish or hide a folder, such as that of our files.

    It takes the last part of an address for a name in the folder of files.
    """
    name = name_to_move(file)
    return not file.is_remote_file and any(
        Path(get_files_path(name, is_private=private)).is_dir() for private in (True, False)
    )


def _check_identity(doc: Document) -> None:
    """Raises frappe.PermissionError for a change of a file of ours, and for a File that is to become one later."""
    before = doc.get_doc_before_save()
    is_link = (doc.file_url or "").startswith(URL_PREFIXES)
    is_moved = before is not None and any(map(doc.has_value_changed, REFERENCES["File"]))
    becomes_ours = doc.attached_to_doctype in TENANT_DOCTYPES and (cint(doc.is_private) or is_moved) and not is_link
    if before is None:
        is_wrong = becomes_ours and not doc.flags.own_id
    else:
        doc.content_hash = doc.content_hash or before.content_hash  # API clients send what they know
        is_held = private_files.is_kept(before.file_url) or becomes_ours
        # Frappe moves and deletes Files of equal hashes together. It computes a hash itself, also for new bytes.
        is_forged = (doc.content_hash or None) != (before.content_hash or None) and not doc.flags.has_new_hash
        if is_forged:
            frappe.throw(_("The content hash of a file is computed. It can't be set."), frappe.PermissionError)
        is_wrong = is_held and any(map(doc.has_value_changed, IDENTITY))
    if is_wrong:
        throw_unchangeable()


def throw_unchangeable() -> None:
    """Raises frappe.PermissionError: a private file of ours stays what it is."""
    text = _("A private file of a background job, a schedule or an organization can't be moved or changed.")
    frappe.throw(f"{text} {_('Upload it where you need it.')}", frappe.PermissionError)
