"""Decides which bytes on the disk belong to a File: where it writes, what it deletes and moves, what a rollback undoes.

Frappe takes names that are free on the disk, but may still be in a row. It deletes and moves by the last part of an
address, or of a thumbnail's address that anybody writes, and decides by content hashes whether bytes are shared. An
optimized picture is written to the name in its row, whatever lies there. (15, 16)

The rules compare places on the disk, whatever the addresses look like. Several Files may lead to one place: nobody
deletes, moves or changes the bytes there under the others.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _
from frappe.core.doctype.file.utils import get_file_name
from frappe.utils import cint, get_files_path

from . import copied_files
from .by_request import is_by_request
from .copied_files import PRIVATE, PUBLISHED, real_path_of

if TYPE_CHECKING:
    from frappe.model.document import Document

REPLACED = re.compile(r"[/\\%?#]")
"""Characters that Frappe 16 replaces by _ in an address, after it has looked for a free name."""


# Places --------------------------------------------------------------------------------------------------------------


def others_at(place: str, but_for: str | None) -> list[Any]:
    """Stored Files whose address or thumbnail leads to a place, without the one named `but_for`."""
    name, table = Path(place).name, frappe.qb.DocType("File")
    text = re.sub(r"([\\%_])", r"\\\1", name)
    may_lead = table.file_name == name  # the address of a File that has no other
    for field in (table.file_url, table.thumbnail_url):
        may_lead |= (field == name) | field.like(f"%/{text}") | field.like(f"%/{text}/%")
    fields = (table.name, table.file_url, table.file_name, table.thumbnail_url, table.is_private, table.content_hash)
    query = frappe.qb.from_(table).select(*fields).where(may_lead & (table.name != (but_for or "")))
    return [row for row in query.run(as_dict=True) if place in _places_of(row)]


def _places_of(row: Any) -> tuple[str | None, ...]:
    return real_path_of(row.file_url or row.file_name, row.is_private), real_path_of(row.thumbnail_url, row.is_private)


# Writing -------------------------------------------------------------------------------------------------------------


def free_name(file: Document) -> str:
    """The name under which a new File is written: nothing is there, and no File of other content has that address."""
    name = file.file_name
    while not all(_is_free(file, one) for one in {name, REPLACED.sub("_", name)}):
        name = get_file_name(file.file_name)
    return name


def _is_free(file: Document, name: str) -> bool:
    place = real_path_of(_address(name, file.is_private))
    if place is None:
        return True  # Frappe refuses it
    others = () if os.path.lexists(place) else others_at(place, file.get("name"))
    return not os.path.lexists(place) and all(row.content_hash == file.content_hash for row in others)


def _address(name: str, is_private: Any) -> str:
    return (PRIVATE if cint(is_private) else PUBLISHED) + name


def is_rewritten(file: Document) -> bool:
    """Whether a request writes bytes of a stored File. The document may be one that was sent along."""
    return is_by_request() and not file.is_new() and bool(file.get("name"))


def address_to_write(file: Document) -> str:
    """Where a request writes a stored File: at its stored address, or at a new one if another File leads there.

    Raises frappe.PermissionError for a File that the user may not write. Frappe asks for that after it has written.
    """
    stored = frappe.db.get_value("File", file.name, ["file_url", "is_private"], as_dict=True)
    if stored and copied_files.is_asked() and not frappe.has_permission("File", "write", doc=file.name):
        raise frappe.PermissionError
    place = real_path_of(stored.file_url, stored.is_private) if stored else None
    if place and os.path.isfile(place) and not others_at(place, file.name):
        file.is_private = stored.is_private
        return str(stored.file_url)
    return _address(REPLACED.sub("_", free_name(file)), file.is_private)


def undo_at_rollback(file: Document) -> None:
    """Let a rollback put back what is at the place that a File is about to write, or delete what was written there.

    Frappe would write back what it has read elsewhere, or to where the address leads by then.
    """
    if file.is_remote_file:
        return
    path, written = Path(os.path.realpath(file.get_full_path())), file.flags.setdefault("written", {})
    if str(path) in written:
        return
    before = written[str(path)] = path.read_bytes() if path.is_file() else None
    frappe.db.after_commit.add(lambda: written.pop(str(path), None))
    frappe.db.after_rollback.add(lambda: _put_back(path, before, written))


def _put_back(path: Path, before: bytes | None, written: dict[str, Any]) -> None:
    written.pop(str(path), None)
    if before is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(before)


# Deleting and moving -------------------------------------------------------------------------------------------------


def is_only_user(file: Document, address: str | None) -> bool:
    """Whether the bytes that Frappe deletes for an address are those it leads to, and no other File leads there."""
    place = real_path_of(address, file.is_private)
    return place is not None and place == _deleted_for(address or "") and not others_at(place, file.name)


def _deleted_for(address: str) -> str:
    """As `file.utils.delete_file` resolves an address."""
    start, name = os.path.split(address.strip("/"))
    return os.path.realpath(get_files_path(name, is_private=start != "files"))


def check_changed(file: Document) -> None:
    """`before_validate` of File: a stored File takes no bytes to which no File leads, such as those of an app.

    Frappe would delete them with it. Of a new File with such an address it makes a copy.
    """
    before = file.get_doc_before_save()
    if before is None or not file.has_value_changed("file_url") or not copied_files.is_asked():
        return
    known = {real_path_of(before.file_url or before.file_name, before.is_private), *(file.flags.written or ())}
    for address in copied_files.spellings(file.file_url or file.file_name or ""):
        place = real_path_of(address, file.is_private)
        if place and place not in known and os.path.exists(place) and not others_at(place, file.name):
            text = _("This file is not yours.")
            frappe.throw(f"{text} {_('Upload it where you need it.')}", frappe.PermissionError)


def check_moving(file: Document) -> None:
    """Raises frappe.PermissionError if a request would move bytes from under another File, or to its address.

    Frappe moves what has the last part of an address for a name, and changes the Files of equal content with it.
    """
    name, before = (file.file_url or "").rpartition("/")[2], file.get_doc_before_save()
    if not name or file.is_remote_file or not is_by_request():
        return
    places = [place for start in (PRIVATE, PUBLISHED) if (place := real_path_of(_address(name, start == PRIVATE)))]
    hashes = {row.content_hash for place in places for row in others_at(place, file.name)}
    is_its_own = before is None or real_path_of(before.file_url or before.file_name, before.is_private) in places
    if hashes - {file.content_hash or ""} or not is_its_own:
        text = _("Another file has the same address, so this one can't be moved.")
        frappe.throw(f"{text} {_('Upload it where you need it.')}", frappe.PermissionError)


# Thumbnails ----------------------------------------------------------------------------------------------------------


def check_thumbnail(file: Document) -> None:
    """`before_validate` of File: only code sets the address of a thumbnail, which Frappe deletes with the File.

    A new File has none. API clients may leave out what they do not know.
    """
    if not copied_files.is_asked():
        return
    before = file.get_doc_before_save()
    stored = before.get("thumbnail_url") if before else None
    if before and file.get("thumbnail_url") and file.thumbnail_url != stored:
        frappe.throw(_("The thumbnail of a file is computed. It can't be set."), frappe.PermissionError)
    file.set("thumbnail_url", stored)
