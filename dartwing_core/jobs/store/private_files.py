"""Private files of jobs, organizations, members and schedules on the disk.

They lie side by side in a folder of their own. The name of each begins with a mark of the File that it belongs to. So a
path tells whose bytes it leads to. Rows of File can't tell that: Frappe rewrites them. `guarded_file` refuses each
other File whose real path leads there, whatever its address looks like.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

import frappe
from frappe import _
from frappe.utils import get_files_path, get_site_path

from ..db import best_effort, sql

PRIVATE = "/private/files/"
NAME = "dartwing_core"
FOLDER = f"{PRIVATE}{NAME}/"
HASH = "job-"
"""How content hashes of Files of ours begin."""
PLAIN = re.compile(r"[A-Za-z0-9-]{1,64}")
NOBODYS = ""
"""The mark of a path in the folder that is no file of it, such as one in a further folder."""
CHUNK_BYTES = 1024 * 1024
LONGEST_STEM = 100
LONGEST_EXTENSION = 20
"""Bytes of a file's own name. The disk takes 255, with the mark before them."""
LONGEST_ADDRESS = 2_000
"""Characters. The system resolves a path part by part."""
ORPHANED_AFTER = 30 * 86_400.0
"""Seconds after which bytes without a File are deleted."""
NOTES = ".orphans"
"""The folder of empty files that note since when one of the same name is an orphan."""
BATCH = 500


# Addresses and paths -------------------------------------------------------------------------------------------------


def folder() -> Path:
    """The folder of these files on the disk, which is made if it is missing."""
    path = _folder()
    path.mkdir(parents=True, exist_ok=True)
    return path


def _folder() -> Path:
    return Path(os.path.realpath(get_files_path(NAME, is_private=True)))


def new_id(start: str = "") -> str:
    """A name for a new File, which nobody can guess."""
    return f"{start}{secrets.token_hex(16)}"


def unguessable(name: str) -> str:
    """A file's name with a random part before its extension."""
    stem, dot, extension = name.partition(".")
    return f"{stem}-{secrets.token_hex(8)}{dot}{extension}"


def mark_of(file: str | None) -> str | None:
    """How the names of the bytes of a File begin: with its name, or with a hash of one that is odd."""
    if not file or PLAIN.fullmatch(file):
        return file or None
    return f"_{hashlib.sha256(file.encode()).hexdigest()[:40]}"


def address_for(file: str, name: str) -> str:
    """The address of the bytes of a File. `name` is the file's own name, of which plain characters are kept."""
    stem, extension = os.path.splitext(name)
    stem = re.sub(r"[^\w. -]+", "-", stem).encode()[:LONGEST_STEM].decode(errors="ignore").strip(" .-") or "file"
    extension = re.sub(r"[^A-Za-z0-9]", "", extension)[:LONGEST_EXTENSION]
    return f"{FOLDER}{mark_of(file)}.{stem}{'.' if extension else ''}{extension}"


def is_kept(address: str | None) -> bool:
    """Whether this is the address of a file of the folder, as `address_for` writes it."""
    if not address or not address.startswith(FOLDER):
        return False
    name = address.removeprefix(FOLDER)
    return "/" not in name and name not in ("", ".", "..")


def path_of(address: str) -> Path:
    """Where the bytes at an address of `address_for` lie."""
    return folder() / address.removeprefix(FOLDER)


def mark_at(path: str | Path) -> str | None:
    """The mark of the File to which the bytes at a path belong. None for a path out of the folder."""
    if "\0" in str(path):  # no path
        return None
    real, own = Path(os.path.realpath(path)), _folder()
    if not real.is_relative_to(own):
        return None
    parts = real.relative_to(own).parts
    return parts[0].partition(".")[0] if len(parts) == 1 else NOBODYS


def mark_in(address: str) -> str | None:
    """The mark at an address of the site, read in the way of Frappe's downloads. None for other addresses."""
    if not 0 < len(address) <= LONGEST_ADDRESS or "/private/" not in address:
        return None
    return mark_at(get_site_path("private", address.partition("/private/")[2].strip("/")))


def is_within_files(path: str) -> bool:
    """Whether a path is one of a private or published file of the site."""
    folders = (get_files_path(is_private=private) for private in (True, False))
    return "\0" not in path and any(
        Path(os.path.realpath(path)).is_relative_to(os.path.realpath(one)) for one in folders
    )


def check_length(address: str) -> None:
    """Raises frappe.ValidationError for an address that is no path: resolving it would take seconds."""
    if len(address) > LONGEST_ADDRESS:
        frappe.throw(_("{0} is longer than {1} characters.").format("file_url", LONGEST_ADDRESS))


# Files ---------------------------------------------------------------------------------------------------------------


def throw_foreign() -> None:
    """Raises frappe.PermissionError: the file belongs to a document of ours."""
    frappe.throw(_("This file belongs to a background job, a schedule or an organization."), frappe.PermissionError)


def own_hash() -> str:
    """A content hash that no other File has. Frappe treats Files with equal hashes as one file."""
    return f"{HASH}{secrets.token_hex(16)}"


# Bytes ---------------------------------------------------------------------------------------------------------------


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


class DeletedBytes:
    """Bytes whose File is deleted in the current transaction. They go when it is committed.

    Of Files that are not in the folder, Frappe deletes them: `actions`.
    """

    is_for_any_commit = True

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.actions: dict[str, Callable[[], Any]] = {}

    def __call__(self) -> None:
        """Delete the bytes whose File is gone."""
        paths, self.paths = self.paths, []
        actions, self.actions = self.actions, {}
        best_effort.run(partial(_delete_orphans, paths))
        for file, delete in actions.items():
            best_effort.run(partial(_delete_if_gone, file, delete))


class EmptiedFolder:
    """Bytes whose File is deleted in the current transaction, of any number of Files. They go when it is committed."""

    is_for_any_commit = True

    def __call__(self) -> None:
        """Delete the bytes whose File is gone, and the folder if nothing is left in it."""
        best_effort.run(_empty_folder)


def _empty_folder() -> None:
    shutil.rmtree(folder() / NOTES, ignore_errors=True)
    found = _files(folder())
    while paths := list(islice(found, BATCH)):
        _delete_orphans(paths)
    with contextlib.suppress(OSError):
        folder().rmdir()


def delete_after_commit(path: Path) -> None:
    """Delete the bytes of a File when its deletion is committed."""
    sql.callback_of_transaction(DeletedBytes).paths.append(path)


def call_after_commit(file: str, delete: Callable[[], Any]) -> None:
    """Let Frappe delete the bytes of a File when its deletion is committed. They would be gone after a rollback."""
    sql.callback_of_transaction(DeletedBytes).actions[file] = delete


def _delete_if_gone(file: str, delete: Callable[[], Any]) -> None:
    """A rollback to a savepoint may have brought the File back."""
    if not frappe.db.exists("File", file):
        delete()


def delete_orphans(deadline: float) -> None:
    """Delete bytes whose File has been gone for ORPHANED_AFTER. A killed process, or a savepoint, has left them.

    Notes when it sees them first: the database may be an older one for some days, restored from a backup. `deadline`:
    when to end, as `time.monotonic()`.
    """
    folder().joinpath(NOTES).mkdir(exist_ok=True)
    found = _files(folder())
    while time.monotonic() < deadline and (paths := list(islice(found, BATCH))):
        best_effort.run(partial(_note_orphans, paths, time.time()))
    for note in _files(folder() / NOTES):
        if not os.path.lexists(folder() / note.name):
            note.unlink(missing_ok=True)


def _files(path: Path) -> Iterator[Path]:
    """Files, and links to such."""
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def _note_orphans(paths: Sequence[Path], now: float) -> None:
    """Note those that belong to no File, and delete those that were noted long ago."""
    orphans = _orphans(paths)
    for path in paths:
        note = path.parent / NOTES / path.name
        with contextlib.suppress(FileNotFoundError):
            if path not in orphans:
                note.unlink(missing_ok=True)
            elif not note.exists():
                note.touch()
            elif note.stat().st_mtime < now - ORPHANED_AFTER:
                path.unlink()


def _delete_orphans(paths: Sequence[Path]) -> None:
    """Delete those of these files that belong to no File."""
    for path in _orphans(paths):
        path.unlink(missing_ok=True)


def _orphans(paths: Sequence[Path]) -> set[Path]:
    """Those of these files that belong to no File, neither by their mark nor by a File's address."""
    names = {path: path.name.encode("utf-8", "replace").decode() for path in paths}  # the disk takes any bytes
    marks = {path: name.partition(".")[0] for path, name in names.items()}
    known = set(frappe.get_all("File", {"name": ["in", list(marks.values())]}, pluck="name"))
    left = [path for path in paths if marks[path] not in known]
    if not left:
        return set()
    addresses = {path: FOLDER + names[path] for path in left}
    named = set(frappe.get_all("File", {"file_url": ["in", list(addresses.values())]}, pluck="file_url"))
    return {path for path in left if addresses[path] not in named}
