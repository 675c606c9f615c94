"""Files of jobs, organizations and schedules on the disk. Only Files of the same document may lead to them.

Frappe finds a file by the address in a File document, or by its file name without an address. With the address of
another file, the owner of a File reads, publishes and deletes that file. So our files have names that can't be guessed.
Every foreign File that would lead to one is refused, here and by `guarded_file` when its bytes are read.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote

import frappe
from frappe import _
from frappe.utils import get_files_path

from .desk_access import TENANT_DOCTYPES

if TYPE_CHECKING:
    from frappe.model.document import Document

FOLDER = "/private/files/"
OWN_HASH = "job-"
"""Prefix of the content hash of a file of ours, which is unique for each file. Frappe treats Files with equal hashes as
one file, and deletes and publishes them together."""
CHUNK_BYTES = 1024 * 1024
LONGEST_NAME = 255
LONGEST_STEM = 150
MOST_UNQUOTED = 5


def folder() -> Path:
    """The folder of the site's private files."""
    return Path(get_files_path(is_private=True)).resolve()


def unguessable(name: str) -> str:
    """A file name with a random part of 128 bits before its extension."""
    stem, extension = os.path.splitext(name)
    return f"{stem[:LONGEST_STEM]}-{secrets.token_hex(16)}{extension}"


def own_hash() -> str:
    """A content hash that no other File has."""
    return f"{OWN_HASH}{secrets.token_hex(16)}"


def write(content: IO[bytes], path: Path) -> None:
    """Copy `content` into a new file. Raises FileExistsError if the path is taken."""
    content.seek(0)
    with path.open("xb") as target:
        try:
            shutil.copyfileobj(content, target, CHUNK_BYTES)
            target.flush()
            os.fsync(target.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def keep_apart(file: Document) -> None:
    """Move the bytes of a File of ours, once Frappe has stored them, to a name of their own. Also set an own hash."""
    address = file.file_url or ""
    if file.is_folder or (file.content_hash or "").startswith(OWN_HASH) or not address.startswith(FOLDER):
        return
    path = folder() / address.removeprefix(FOLDER)
    if not path.is_file():
        return
    name = unguessable(path.name)
    copy = folder() / name
    with path.open("rb") as content:
        write(content, copy)
    if not file.is_new():  # a rollback brings back a row that leads to the old bytes
        frappe.db.after_commit.add(lambda: _unlink_unused(path, address))
        frappe.db.after_rollback.add(lambda: copy.unlink(missing_ok=True))
        file.file_url, file.content_hash = FOLDER + name, own_hash()
        return
    _unlink_unused(path, address)
    file.file_url, file.content_hash = FOLDER + name, own_hash()


def _unlink_unused(path: Path, address: str) -> None:
    if not frappe.db.exists("File", {"file_url": address}):  # else the bytes belong to another File of equal content
        path.unlink(missing_ok=True)


# The document of a file ----------------------------------------------------------------------------------------------


def refuse_if_foreign(file: Document) -> None:
    """Raises frappe.PermissionError for a foreign File that leads to a file of ours, by any form of its address."""
    is_marked = (file.content_hash or "").startswith(OWN_HASH) and file.attached_to_doctype not in TENANT_DOCTYPES
    if is_marked or is_foreign(file, addresses(file)):
        throw_foreign()


def throw_foreign() -> None:
    """Raises frappe.PermissionError: the file belongs to a document of ours."""
    frappe.throw(_("This file belongs to a background job, a schedule or an organization."), frappe.PermissionError)


def is_foreign(file: Document, found: Iterable[str], *, but_for_twins: bool = False) -> bool:
    """Whether one of these addresses leads to a file of a document of ours, but the File is of another document.

    `but_for_twins`: accept a File of equal content. It may share the bytes since before our files were kept apart.
    """
    wanted = sorted(found)
    if not wanted:
        return False
    table = frappe.qb.DocType("File")
    query = frappe.qb.from_(table).where(table.attached_to_doctype.isin(TENANT_DOCTYPES) & table.file_url.isin(wanted))
    rows = query.select(table.file_url, table.attached_to_doctype, table.attached_to_name, table.content_hash).run(
        as_dict=True
    )
    rows = [row for row in rows if row.file_url in wanted]  # the database ignores case, the disk does not
    return bool(rows) and not any(_is_of_same(file, row) or (but_for_twins and _is_twin(file, row)) for row in rows)


def files_of_ours(**fields: Any) -> list[str]:
    """The names of the Files of our documents with these values, such as their address (`file_url`)."""
    return frappe.get_all("File", {**fields, "attached_to_doctype": ["in", TENANT_DOCTYPES]}, pluck="name")


def may_read(address: str) -> bool:
    """Whether the user may read the file at an address. True if it is no file of ours."""
    names = files_of_ours(file_url=address)
    return not names or any(frappe.has_permission("File", "read", doc=name) for name in names)


def _is_of_same(file: Document, row: Any) -> bool:
    return all(file.get(field) == row[field] for field in ("attached_to_doctype", "attached_to_name"))


def _is_twin(file: Document, row: Any) -> bool:
    known = row.content_hash or OWN_HASH
    return not known.startswith(OWN_HASH) and file.get("content_hash") == known


def addresses(file: Document) -> set[str]:
    """The addresses of private files to which a File document may lead, by any of Frappe's functions."""
    given = [file.get("file_url"), file.get("thumbnail_url")]
    if not file.get("file_url") and not file.get("content"):
        given.append(file.get("file_name"))
    return {address for text in given if isinstance(text, str) and text for address in private_addresses(text)}


def private_addresses(text: str) -> set[str]:
    """The readings of an address: without the site's host names, unquoted, without a query.

    Also its last part alone, by which Frappe deletes.
    """
    found = set()
    for form in _forms(text):
        _before, is_local, rest = form.partition(FOLDER)
        found |= {os.path.normpath(rest)} if is_local else set()
        found.add(form.strip("/").rpartition("/")[2])
    return {FOLDER + name for name in found if 0 < len(name.encode()) <= LONGEST_NAME}


def _forms(text: str) -> Iterator[str]:
    for _round in range(MOST_UNQUOTED):  # Frappe unquotes once at each save of a File
        text = text.encode("utf-8", "ignore").decode()
        yield from {text.strip(), re.split(r"[?#]", text, maxsplit=1)[0].strip()}
        if "%" not in text:
            return
        text = unquote(text)


def address_of(path: str) -> str | None:
    """The address of the file at a path, if that is a private file."""
    relative = ".." if "\0" in path else os.path.relpath(os.path.realpath(path), folder())
    return None if relative.startswith("..") else FOLDER + relative
