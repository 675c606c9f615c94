"""Stores a file that a job has made, as a private File of its Background Job."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any, Protocol

import frappe
from frappe.model.base_document import get_controller
from frappe.utils import call_hook_method

from ..base.config import JOB
from ..store import private_files

if TYPE_CHECKING:
    from frappe.model.document import Document


LONGEST_NAME = 140
"""Characters of a file name that a File holds."""


class FileOwner(Protocol):
    """The part of a JobContext that says whose file it is."""

    job_id: str
    attempt: int
    has_cleared_files: bool
    """Whether orphaned bytes of earlier attempts are deleted."""


def attach(context: FileOwner, content: IO[bytes], name: str) -> Document:
    """Store `content` as a private File of the running job, in the handler's transaction. Returns the File document.

    Frappe removes the file from the disk when that transaction is rolled back. The File's name holds job and attempt.
    So an attempt can remove files of earlier ones whose worker was killed. The job's own row is not written: a
    handler's transaction must not write it.
    """
    _delete_orphaned_bytes(context)
    stem, extension = os.path.splitext(name.replace("/", ""))
    name = f"{stem[: LONGEST_NAME - len(extension)]}{extension}"[:LONGEST_NAME] or "file"
    own_id = private_files.new_id(f"{context.job_id}-{context.attempt}-")
    address = private_files.address_for(own_id, name)
    path = private_files.path_of(address)
    private_files.write(content, path)
    try:
        return _insert(context, own_id, name, address, path.stat().st_size)
    except BaseException:
        # Frappe registers its rollback callback late, and a connection that a time limit closes loses the callback.
        path.unlink(missing_ok=True)
        raise


def _delete_orphaned_bytes(context: FileOwner) -> None:
    """Delete bytes without a File: the workers of earlier attempts were killed while they wrote. Once an attempt."""
    if context.attempt == 1 or context.has_cleared_files:
        return
    context.has_cleared_files = True
    start = f"{context.job_id}-"
    for path in private_files.folder().glob(f"{start}*"):
        attempt = path.name.removeprefix(start).partition("-")[0]
        is_earlier = attempt.isdecimal() and int(attempt) < context.attempt
        if is_earlier and not frappe.db.exists("File", private_files.mark_at(path)):
            path.unlink(missing_ok=True)


def _insert(context: FileOwner, own_id: str, name: str, address: str, size: int) -> Document:
    values = {
        "doctype": "File",
        "file_name": name,
        "file_url": address,
        "is_private": 1,
        "file_size": size,
        "attached_to_doctype": JOB,
        "attached_to_name": context.job_id,
        "content_hash": private_files.own_hash(),
    }
    file = _stored_file_class()(values)
    file.flags.own_id = own_id
    file.insert(ignore_permissions=True)
    file.__class__ = get_controller("File")  # pickles find that one by its name
    return file


def _stored_file_class() -> type:
    """The site's File class, for a file that is on the disk already: an insert does not read its content."""

    class StoredFile(get_controller("File")):  # type: ignore[misc]  # known only at run time
        def before_insert(self) -> None:
            self.flags.is_stored = self.flags.ignore_duplicate_entry_error = True
            super().before_insert()
            self.flags.is_stored = False
            # Frappe lets the owner of a File read it forever. This file follows only the job's permissions.
            self.owner = "Administrator"

        def get_content(self, *args: Any, **kwargs: Any) -> Any:
            return b"" if self.flags.is_stored else super().get_content(*args, **kwargs)

        def save_file(self, *args: Any, **kwargs: Any) -> Any:
            if not self.flags.is_stored:
                return super().save_file(*args, **kwargs)
            return call_hook_method("before_write_file", file_size=self.file_size)

        def create_attachment_record(self) -> None:
            """Write no comment on the job: its output_reference shows the file."""

    return StoredFile
