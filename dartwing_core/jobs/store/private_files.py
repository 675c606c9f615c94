"""Private files of jobs, organizations, members and schedules on the disk.

They lie in a folder of their own. A name there is the name of the File that it belongs to, a dot, and the file's own
name. So a path tells whose bytes it leads to. Rows of File can't tell that: Frappe rewrites them. `guarded_file`
refuses each other File that leads there, whatever its address looks like. Functions of Frappe that take the last part
of an address for a name find no file in this folder.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

import frappe
from frappe import _
from frappe.utils import get_files_path

from ..db import best_effort

PRIVATE = "/private/files/"
FOLDER = f"{PRIVATE}dartwing_core/"
CHUNK_BYTES = 1024 * 1024
LONGEST_STEM = 100
LONGEST_EXTENSION = 20
"""Bytes of a file's own name. The disk takes 255, with the name of the File before them."""
LONGEST_ADDRESS = 2_000
"""Characters. The system resolves a path part by part."""
ORPHANED_AFTER = 7 * 86_400.0
"""Seconds after which bytes without a File are deleted. A transaction that makes a File takes less."""
BATCH = 500


# Addresses and paths -------------------------------------------------------------------------------------------------


def folder() -> Path:
    """The folder of these files on the disk."""
    path = _path()
    path.mkdir(parents=True, exist_ok=True)
    return path


def _path() -> Path:
    return Path(os.path.realpath(get_files_path(FOLDER.removeprefix(PRIVATE), is_private=True)))


def new_id(start: str = "") -> str:
    """A name for a new File, which nobody can guess."""
    return f"{start}{secrets.token_hex(16)}"


def address_for(file: str, name: str) -> str:
    """The address of the bytes of a File. `name` is the file's own name, of which plain characters are kept."""
    stem, extension = os.path.splitext(name)
    stem = re.sub(r"[^\w. -]+", "-", stem).encode()[:LONGEST_STEM].decode(errors="ignore").strip(" .-") or "file"
    extension = re.sub(r"[^A-Za-z0-9]", "", extension)[:LONGEST_EXTENSION]
    return f"{FOLDER}{_encoded(file)}.{stem}{'.' if extension else ''}{extension}"


def _encoded(file: str) -> str:
    """A File's name without dots and other characters that mean something in a path."""
    return re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0]):x}_", file)


def is_kept(address: str | None) -> bool:
    """Whether an address of ours leads to this folder."""
    return bool(address and address.startswith(FOLDER))


def path_of(address: str) -> Path:
    """Where the bytes at an address of this folder lie."""
    return folder() / address.removeprefix(FOLDER)


def keeper_at(path: str | Path) -> str | None:
    """The name of the File to which the bytes at a path belong. None for a path out of the folder.

    A path in the folder that belongs to no File gives a name that no File has.
    """
    real = Path(os.path.realpath(path)) if "\0" not in str(path) else Path("/")
    if not real.is_relative_to(_path()):
        return None
    start = "/".join(real.relative_to(_path()).parts).partition(".")[0]
    return re.sub(r"_([0-9a-f]+)_", lambda found: chr(int(found[1], 16)), start)


def keeper_of(address: str) -> str | None:
    """The name of the File to which the bytes at the address of a private file belong."""
    if not 0 < len(address) <= LONGEST_ADDRESS:
        return None
    return keeper_at(get_files_path(address.removeprefix(PRIVATE), is_private=True))


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
    return f"job-{secrets.token_hex(16)}"


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


def delete_after_commit(path: Path) -> None:
    """Delete the bytes of a File when its deletion is committed."""
    frappe.db.after_commit.add(lambda: best_effort.run(lambda: _delete_orphans([path])))


def delete_orphans() -> None:
    """Delete bytes whose File is gone. A process that was killed, or a savepoint, has left them."""
    found = _older_than(time.time() - ORPHANED_AFTER)
    while paths := list(islice(found, BATCH)):
        _delete_orphans(paths)


def _older_than(moment: float) -> Iterator[Path]:
    with os.scandir(folder()) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime < moment:
                yield Path(entry.path)


def _delete_orphans(paths: Sequence[Path]) -> None:
    keepers = {path: keeper_at(path) for path in paths}
    existing = set(frappe.get_all("File", {"name": ["in", list(keepers.values())]}, pluck="name"))
    for path, keeper in keepers.items():
        if keeper not in existing:
            path.unlink(missing_ok=True)
