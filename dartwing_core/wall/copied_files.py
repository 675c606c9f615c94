"""Decides who may lead a File to private bytes that are there already, and who may take over the File of another.

Frappe lets any account do both: it copies the row of a named File without a permission, takes any address for a new
File, attaches the File of a shown address, and lets users change a File that they attach to a document of their own.
A user who has one File with an address reads it. Names and addresses are no secrets: Frappe tells them to all sockets,
such as those of prints, prepared reports and exports. (15, 16)

The rule compares places on the disk, since Frappe and the database take many spellings for one address. Code of apps
may do anything.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import frappe
from frappe.core.doctype.file import utils
from frappe.model import document
from frappe.utils import cint, get_files_path, get_url

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import REFERENCES, throw_missing
from dartwing_core.jobs.store import private_files

from . import callers, wrapping
from .by_request import is_by_request
from .shown_files import fields_for_files

if TYPE_CHECKING:
    from frappe.model.document import Document

SAVING = (*callers.SAVING, "core.doctype.file.", "utils.file_manager")
"""Frappe's modules that save Files for their callers."""
PRIVATE, PUBLISHED = "/private/files/", "/files/"
MOST_DECODINGS = 8


def is_asked(passed_on: tuple[str, ...] = SAVING) -> bool:
    """Whether one of Frappe's own functions acts, for a user who does not see everything.

    `passed_on`: Frappe's modules that act for their callers.
    """
    return is_by_request() and not visibility.viewer().sees_everything and callers.frappe_asks(passed_on, callers.OWN)


# Which bytes ---------------------------------------------------------------------------------------------------------


def place_of(address: str | None, is_private: bool = True) -> str | None:
    """The real path of the stored private file to which Frappe resolves an address. None for anything else."""
    real, folder = real_path_of(address, is_private), os.path.realpath(get_files_path(is_private=True))
    return real if real and Path(real).is_relative_to(folder) and os.path.isfile(real) else None


def real_path_of(address: str | None, is_private: bool = True) -> str | None:
    """The real path to which Frappe resolves an address, also if nothing is there. None out of the folders of files."""
    path = path_of(address or "", is_private)
    if not path or "\0" in path or len(path) > private_files.LONGEST_ADDRESS:
        return None
    real = os.path.realpath(path)
    return real if private_files.is_within_files(real) else None


def path_of(address: str, is_private: bool) -> str | None:
    """The path of an address, as `File.get_full_path` resolves it. None for other sites."""
    site = get_url()
    address = address.partition(site)[2] if "/files/" in address and address.startswith(site) else address
    if address and "/" not in address:
        address = (PRIVATE if is_private else PUBLISHED) + address
    for start in (PRIVATE, PUBLISHED):
        if address.startswith(start):
            return str(get_files_path(*address.removeprefix(start).split("/"), is_private=start == PRIVATE))
    return address if address.startswith("/") else None


def spellings(address: str) -> Iterator[str]:
    """An address, and what Frappe makes of it: it decodes an address once or twice at each save."""
    for _save in range(MOST_DECODINGS):
        yield address
        if address == (address := unquote(address)):
            return


def _may_read(place: str, address: str) -> bool:
    """Whether the user may read a stored File that leads to these bytes."""
    below = os.path.relpath(place, os.path.realpath(get_files_path(is_private=True)))
    fields = ["name", "file_url", "is_private", "owner"]
    rows = frappe.get_all("File", {"file_url": ["in", [PRIVATE + below, address]], "is_folder": 0}, fields)
    rows.sort(key=lambda row: row.owner != frappe.session.user)  # the likeliest first
    leading = (row.name for row in rows if place_of(row.file_url, row.is_private) == place)
    return any(frappe.has_permission("File", "read", doc=name) for name in leading)


def may_read(place: str) -> bool:
    """Whether the user may read a stored File that leads to the private bytes at this place."""
    return _may_read(place, place)


def _hidden_place(address: str | None, is_private: bool = True, but_for: Container[str | None] = ()) -> str | None:
    """The place of private bytes to which an address leads, if the user may not read them. `but_for`: known places."""
    for spelling in spellings(address or ""):
        place = place_of(spelling, is_private)
        if place and place not in but_for and not _may_read(place, spelling):
            return place
    return None


# Files of a request --------------------------------------------------------------------------------------------------


def check_new(file: Document) -> None:
    """`before_insert` of File: no File begins with the address of a file that its user may not read.

    Such a file is treated as a missing one. An upload, which has content, loses the address, as Frappe does then.
    """
    address = file.file_url or (None if file.content else file.file_name)
    place = _hidden_place(address, bool(cint(file.is_private))) if address and is_asked() else None
    if place and not file.content:
        _throw_not_found(place, address)
    elif place:
        file.file_url = ""


def check_changed(file: Document) -> None:
    """`before_validate` of File: a stored File takes no such address, and nobody takes over the File of another.

    Frappe asks for the permission of the document that the File is to be attached to.
    """
    before = file.get_doc_before_save()
    if before is None or not is_asked():
        return
    is_moved = any(map(file.has_value_changed, REFERENCES["File"]))
    if is_moved and not frappe.has_permission("File", "write", doc=file.name):
        raise frappe.PermissionError
    known = {place_of(_address_of(before), before.is_private), *(file.flags.written or ())}
    if place := _hidden_place(_address_of(file), bool(cint(file.is_private)), known):
        _throw_not_found(place, _address_of(file))


def _address_of(file: Document) -> str | None:
    """Frappe takes the name of a File without an address for one."""
    return file.file_url or file.file_name


def check_source(file: Document) -> None:
    """Raises FileNotFoundError if Frappe has read the bytes to save from a file that the user may not read.

    A document that a request sends along may have any address.
    """
    address = None if file.content else _address_of(file)
    place = _hidden_place(address, bool(cint(file.is_private))) if address and is_asked() else None
    if place:
        _throw_not_found(place, address)


def check_moving(file: Document) -> None:
    """Raises FileNotFoundError if Frappe would publish bytes that the user may not read.

    It moves what has the last part of the File's address for a name.
    """
    name = (file.file_url or "").rpartition("/")[2]
    is_published = name and not cint(file.is_private) and not file.is_remote_file
    if is_published and is_asked() and (place := _hidden_place(PRIVATE + name)):
        _throw_not_found(place, file.file_url)


def _throw_not_found(place: str, address: str | None) -> None:
    """Raises FileNotFoundError, as Frappe does for the address of a missing file."""
    if private_files.mark_at(place) is not None:
        private_files.throw_foreign()
    path = path_of(unquote(address or ""), True) or address
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def is_of(file: Document, path: str) -> bool:
    """Whether the path of a download is that of this File. The database has found it, and ignores case."""
    asked = place_of(path)
    return asked is None or asked == place_of(file.file_url, file.is_private)


# Fields of a request -------------------------------------------------------------------------------------------------


class _Visible:
    """A document as Frappe may attach Files to it: fields that show a file of another are empty."""

    def __init__(self, doc: Document, hidden: set[str]) -> None:
        self._doc, self._hidden = doc, hidden

    def get(self, field: str, *default: Any) -> Any:
        return None if field in self._hidden else self._doc.get(field, *default)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._doc, name)


def _wrapped(attach: Callable[..., None]) -> Callable[..., None]:
    """`attach_files_to_document` and `relink_mismatched_files`, for fields whose file the user may read."""

    @functools.wraps(attach)
    def attach_visible(doc: Document, *arguments: Any) -> None:
        shown = [field.fieldname for field in fields_for_files(doc.doctype) if _is_private(doc.get(field.fieldname))]
        hidden = {field for field in shown if _is_of_others(doc.get(field))} if shown and is_asked() else set()
        attach(_Visible(doc, hidden) if hidden else doc, *arguments)

    return attach_visible


def _is_private(address: Any) -> bool:
    return str(address or "").startswith(PRIVATE)


def _is_of_others(address: str) -> bool:
    """Whether the user may not read the file, or the database takes another file's address for this one."""
    place = place_of(address)
    rows = frappe.get_all("File", {"file_url": address}, ["file_url", "is_private"])
    return _hidden_place(address) is not None or any(place_of(row.file_url, row.is_private) != place for row in rows)


def check_sent_files(doc: Document, _method: str | None = None) -> None:
    """`validate` of Newsletter and Data Import, which read the files of their fields without a permission.

    Raises frappe.DoesNotExistError for a new address of a file that the user may not read.
    """
    before = doc.get_doc_before_save()
    new = set(_private_addresses(doc)) - set(_private_addresses(before) if before else ())
    for address in new if new and is_asked() else ():
        if _is_of_others(address):
            throw_missing("File", address)


def _private_addresses(doc: Document) -> Iterator[str]:
    for row in (doc, *doc.get_all_children()):
        shown = (row.get(field.fieldname) for field in fields_for_files(row.doctype))
        yield from filter(_is_private, shown)


wrapping.replace(utils, "attach_files_to_document", _wrapped)
wrapping.replace(document, "relink_mismatched_files", _wrapped)
