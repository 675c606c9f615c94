"""Reads files of jobs, for those who may see the job's result."""

from __future__ import annotations

from typing import IO, Any

from frappe import _

from ..access import visibility
from ..errors import JobNotFoundError
from ..job import job_files
from ..job.job_files import StoredFile
from ..lib.sealing import SealError
from ..lib.texts import cut
from . import visible_jobs


def listed(job_id: str) -> list[dict[str, Any]]:
    """Name, size in bytes, MIME type and address of each file of a job. The caller has asked who may see them.

    Empty if the site's key is not the one that has sealed their index.
    """
    try:
        files = job_files.files_of(job_id)
    except SealError:
        return []
    return [
        {
            "name": file["name"],
            "size": file["size"],
            "type": file["type"],
            "file_url": job_files.address_of(job_id, file["name"]),
        }
        for file in files
    ]


def visible_file(job_id: Any, name: str) -> StoredFile:
    """A file of a job whose result the current user may see.

    Raises JobNotFoundError for a missing or invisible job, and alike for a missing and a hidden file.
    """
    viewer = visibility.viewer()
    job = visible_jobs.visible_job(job_id, "name", *visibility.DECIDING_FIELDS, looking=viewer)
    files = job_files.files_of(job["name"]) if viewer.can_see_result(job) else []
    for file in files:
        if file["name"] == name and (job_files.folder() / file["path"]).is_file():
            return file
    raise JobNotFoundError(_("Background job {0} has no file {1}.").format(job["name"], cut(name)))


def open_file(job_id: str, name: str) -> IO[bytes]:
    """A file of a job, open for reading bytes. The user is the current one; in a handler the job's owner.

    Raises JobNotFoundError for a job or file that is missing or that the user may not see.
    """
    return (job_files.folder() / visible_file(job_id, name)["path"]).open("rb")
