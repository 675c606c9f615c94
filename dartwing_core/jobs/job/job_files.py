"""Files that jobs have made. They have no row of File.

The bytes of an attempt lie in a folder of its own, `private/files/dartwing_core/<job>/<attempt>-<random>`, so that
backups hold them. Only a sealed index on the attempt's row leads there: nobody can guess the folder.
"""

from __future__ import annotations

import contextlib
import json
import mimetypes
import os
import re
import secrets
import shutil
import time
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import IO, TypedDict
from urllib.parse import quote

import frappe
from frappe.utils import get_files_path

from ..lib import ids, sealing, sql
from ..lib.tables import JOB, RUN

ADDRESS = "/api/method/dartwing_core.api.jobs.download_file"
NAME = "dartwing_core"
"""The folder below `private/files` that holds a folder for each job."""
LONGEST_NAME = 200  # bytes of a file's name: the disk takes 255
LONGEST_EXTENSION = 20  # characters
UNFIT = re.compile(r"[/\x00-\x1f\x7f-\x9f]")
ORPHANED_AFTER = 30 * 86_400.0  # seconds after which the folder of a missing job is deleted
BATCH = 500


class StoredFile(TypedDict):
    """An entry of an index. `type`: the MIME type by the name. `path`: where the bytes lie, from `folder` on."""

    name: str
    size: int
    type: str
    path: str


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file of a job. `file_url` is its address on this site, good as `output_reference`. `size` is in bytes."""

    name: str
    size: int
    file_url: str


def folder() -> Path:
    """The folder of all jobs' files on the disk, which is made if it is missing."""
    path = Path(get_files_path(NAME, is_private=True))
    path.mkdir(parents=True, exist_ok=True)
    return path


def address_of(job: str, name: str) -> str:
    """The address at which people read a file of a job."""
    return f"{ADDRESS}?job_id={quote(job, safe='')}&name={quote(name, safe='')}"


class AttemptFiles:
    """The files that a running attempt has made."""

    def __init__(self, job: str, attempt: int):
        self._job = job
        self._folder = f"{job}/{attempt}-{secrets.token_hex(16)}"
        self._files: list[StoredFile] = []
        self._kept = 0
        """How many of them a checkpoint has kept."""

    def add(self, content: IO[bytes], name: str) -> JobFile:
        """Copy `content` to the disk. A name that is taken gets a number."""
        name = free_name(name, {file["name"] for file in self._files})
        path = f"{self._folder}/{name}"
        size = _write(content, folder() / path)
        kind, encoding = mimetypes.guess_type(name)  # a `.csv.gz` is no text/csv
        kind = "application/octet-stream" if encoding or not kind else kind
        self._files.append({"name": name, "size": size, "type": kind, "path": path})
        return JobFile(name, size, address_of(self._job, name))

    def index(self, *, is_completed: bool = True) -> str | None:
        """The sealed index for the attempt's row. Of an attempt that has failed, it names only what is kept."""
        files = self._files if is_completed else self._files[: self._kept]
        return sealing.seal(json.dumps(files)) if files else None

    def keep(self) -> None:
        """A checkpoint keeps the files of now, also if the attempt fails later."""
        self._kept = len(self._files)

    def drop(self) -> None:
        """Delete what no checkpoint has kept: the attempt has failed."""
        del self._files[self._kept :]
        _delete_all_but(self._files, folder() / self._folder)


def drop(job: str, attempt: int) -> None:
    """Delete what no checkpoint of an attempt has kept: it was ended from outside. Needs a snapshot from after that.

    If its process is still alive and attaches more, it drops that itself at its end.
    """
    for own in (folder() / job).glob(f"{attempt}-*"):
        query = frappe.qb.from_(RUN).select(RUN.sealed_files).where(RUN.name == ids.run_name(job, attempt))
        _delete_all_but(_opened(query.run()[0][0]), own)


def _delete_all_but(kept: Iterable[StoredFile], own: Path) -> None:
    """Delete the other files in the folder of an attempt, and the folder if it is empty then."""
    names = {file["name"] for file in kept}
    with contextlib.suppress(OSError):  # most attempts have no folder, and one with kept files stays
        for path in own.iterdir():
            if path.name not in names:
                path.unlink(missing_ok=True)
        own.rmdir()


def _opened(index: str | None) -> list[StoredFile]:
    return json.loads(sealing.opened(index)) if index else []


def free_name(name: str, taken: Container[str] = ()) -> str:
    """The name without slashes and control characters, cut to LONGEST_NAME bytes, with a number if it is `taken`."""
    name = UNFIT.sub("", name)
    stem, extension = os.path.splitext("file" if name in ("", ".", "..") else name)
    endings = (("" if number == 1 else f"-{number}") + extension[:LONGEST_EXTENSION] for number in count(1))
    names = (stem.encode()[: LONGEST_NAME - len(end.encode())].decode(errors="ignore") + end for end in endings)
    return next(free for free in names if free not in taken)


def _write(content: IO[bytes], path: Path) -> int:
    """Copy `content` into a new file. Returns its size in bytes. Leaves no part of it behind."""
    content.seek(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        try:
            shutil.copyfileobj(content, target, 1024 * 1024)
            target.flush()
            os.fsync(target.fileno())
            return target.tell()
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def files_of(job: str) -> list[StoredFile]:
    """The files of all attempts of a job. Of several with one name, that of the latest attempt."""
    query = frappe.qb.from_(RUN).select(RUN.sealed_files).where(RUN.background_job == job)
    rows = query.where(RUN.sealed_files.isnotnull()).orderby(RUN.attempt).run(pluck=True)
    return list({file["name"]: file for index in rows for file in _opened(index)}.values())


def delete_after_commit(jobs: Sequence[str]) -> None:
    """Delete the files of these jobs when the deletion of the jobs is committed."""
    sql.after_any_commit(_delete_committed, jobs)


def _delete_committed(jobs: Sequence[str]) -> None:
    sql.best_effort(partial(_delete_missing, jobs))


def delete_now(jobs: Sequence[str]) -> None:
    """Delete the files of these jobs."""
    for job in jobs:
        shutil.rmtree(folder() / job, ignore_errors=True)


def delete_orphans(deadline: float) -> None:
    """Delete the files of jobs that are missing for long. `deadline`: when to end, as `time.monotonic()`.

    Not earlier: the database may be an older one for some days, restored from a backup.
    """
    before = time.time() - ORPHANED_AFTER
    with os.scandir(folder()) as entries:
        old = (one.name for one in entries if one.is_dir(follow_symlinks=False) and one.stat().st_mtime < before)
        while time.monotonic() < deadline and (names := list(islice(old, BATCH))):
            _delete_missing(names)


def delete_all() -> None:
    """Delete the files of all jobs: the app is gone."""
    shutil.rmtree(folder(), ignore_errors=True)


def _delete_missing(jobs: Sequence[str]) -> None:
    """Delete the files of those of these jobs that are gone. A rollback to a savepoint may have brought some back."""
    known = set(frappe.qb.from_(JOB).select(JOB.name).where(JOB.name.isin(list(jobs))).run(pluck=True))
    delete_now([name for name in jobs if name not in known])
