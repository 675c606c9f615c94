"""Private files of jobs, organizations and schedules on the disk. Only their own Files may lead to them.

Frappe finds a file by the address in a File document, or by its file name without an address. With the address of
another file, the owner of a File reads, publishes and deletes that file. So a file of ours has a name that nobody can
guess and a hash that marks it, from the beginning on. Every foreign File that would lead to one is refused, here and by
`guarded_file` when its bytes are read.
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

from .desk_access import ENGINE_DOCTYPES, TENANT_DOCTYPES

if TYPE_CHECKING:
    from frappe.model.document import Document

FOLDER = "/private/files/"
MARK = "job-"
"""Prefix of the content hash of a file of ours, which is unique for each file. Frappe treats Files with equal hashes as
one file, and deletes and publishes them together."""
CHUNK_BYTES = 1024 * 1024
LONGEST_NAME = 255
"""Bytes of a file's name that the disk takes."""
LONGEST_STEM = 150
LONGEST_EXTENSION = 20
LONGEST_ADDRESS = 2_000
"""Characters. The system resolves a path part by part."""
MOST_UNQUOTED = 5


def folder() -> Path:
    """The folder of the site's private files."""
    return Path(get_files_path(is_private=True)).resolve()


def unguessable(name: str) -> str:
    """A file name with a random part of 128 bits before its extension, of plain characters alone."""
    stem, extension = os.path.splitext(name)
    stem = re.sub(r"[^\w. -]+", "-", stem).encode()[:LONGEST_STEM].decode(errors="ignore").strip(" .-") or "file"
    extension = re.sub(r"[^A-Za-z0-9]", "", extension)[:LONGEST_EXTENSION]
    return f"{stem}-{secrets.token_hex(16)}{'.' if extension else ''}{extension}"


def own_hash() -> str:
    """A content hash that no other File has, and that marks a file of ours."""
    return f"{MARK}{secrets.token_hex(16)}"


def is_marked(content_hash: Any) -> bool:
    """Whether this is the hash of a file of ours."""
    return isinstance(content_hash, str) and content_hash.strip().casefold().startswith(MARK)


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


# The document of a file ----------------------------------------------------------------------------------------------


def throw_foreign() -> None:
    """Raises frappe.PermissionError: the file belongs to a document of ours."""
    frappe.throw(_("This file belongs to a background job, a schedule or an organization."), frappe.PermissionError)


def is_foreign(file: Document, found: Iterable[str]) -> bool:
    """Whether one of these addresses leads to a marked file of ours, but of another File."""
    name = file.get("name")
    return any(name not in owners for owners in owners_at(found).values())


def owners_at(addresses: Iterable[str]) -> dict[str, dict[str, tuple[str, str]]]:
    """The files of ours at these addresses: the names of their Files, each with DocType and name of its document.

    Those of jobs, and marked ones. Others may have been attached to what is there. Addresses without one are missing.
    """
    wanted = sorted(addresses)
    if not wanted:
        return {}
    table = frappe.qb.DocType("File")
    query = frappe.qb.from_(table).select(table.file_url, table.name, table.attached_to_doctype, table.attached_to_name)
    query = query.where(table.attached_to_doctype.isin(TENANT_DOCTYPES) & table.file_url.isin(wanted))
    query = query.where(table.attached_to_doctype.isin(ENGINE_DOCTYPES) | table.content_hash.like(f"{MARK}%"))
    owners: dict[str, dict[str, tuple[str, str]]] = {}
    for address, name, *document in query.run():
        if address in wanted:  # the database ignores case, the disk does not
            owners.setdefault(address, {})[name] = (document[0], document[1])
    return owners


def files_of_ours(**fields: Any) -> list[str]:
    """The names of the Files of our documents with these values, such as their address (`file_url`)."""
    return frappe.get_all("File", {**fields, "attached_to_doctype": ["in", TENANT_DOCTYPES]}, pluck="name")


def may_read(address: str) -> bool:
    """Whether the user may read the file at an address. True if it is no file of ours."""
    names = files_of_ours(file_url=address)
    return not names or any(frappe.has_permission("File", "read", doc=name) for name in names)


def addresses(file: Document) -> set[str]:
    """The addresses of private files to which a File document may lead, by any of Frappe's functions."""
    given = [file.get("file_url"), file.get("thumbnail_url")]
    if not file.get("file_url") and not file.get("content"):
        given.append(file.get("file_name"))
    return {address for text in given if isinstance(text, str) and text for address in private_addresses(text)}


def check_length(address: str) -> None:
    """Raises frappe.ValidationError for an address that is no path: resolving it would take seconds."""
    if len(address) > LONGEST_ADDRESS:
        frappe.throw(_("{0} is longer than {1} characters.").format("file_url", LONGEST_ADDRESS))


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
        for form in (text, re.split(r"[?#]", text, maxsplit=1)[0]):
            yield from {form, form.strip()}
        if "%" not in text:
            return
        text = unquote(text)


def address_of(path: str) -> str | None:
    """The address of the file at a path, if that is a private file."""
    relative = os.pardir if "\0" in path else os.path.relpath(os.path.realpath(path), folder())
    return None if Path(relative).parts[:1] == (os.pardir,) else FOLDER + relative


def is_within_files(path: str) -> bool:
    """Whether a path is one of a private or published file of the site."""
    folders = (get_files_path(is_private=private) for private in (True, False))
    return "\0" not in path and any(
        Path(os.path.realpath(path)).is_relative_to(os.path.realpath(one)) for one in folders
    )
