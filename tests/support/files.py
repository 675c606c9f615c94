"""Files of jobs, as their handlers leave them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TypeVar

import frappe
from frappe.model.document import Document

from dartwing_core.jobs import JobNotFoundError, open_file
from dartwing_core.jobs.job import job_files, runs
from dartwing_core.jobs.lib import ids

SECRET = b"name,salary\r\nanna,9000"
NAME = "Salaries.csv"
J = TypeVar("J", str, Document)


def given(job: J, content: bytes = SECRET, name: str = NAME) -> J:
    """The job, to which its first attempt has attached this file; committed."""
    of_job = job if isinstance(job, str) else job.name
    made = job_files.AttemptFiles(of_job, 1)
    made.add(io.BytesIO(content), name)
    runs.write(ids.run_name(of_job, 1), {"background_job": of_job, "attempt": 1, "sealed_files": made.index()})
    frappe.db.commit()
    return job


def on_disk(job: Document) -> list[Path]:
    """Where all files of the job lie."""
    return sorted(job_files.folder().glob(f"{job.name}/*/*"))


def is_readable(job: Document, name: str = NAME) -> bool:
    """Whether the current user may read the file of `given`."""
    try:
        with open_file(job.name, name) as file:
            return bool(file.read())
    except JobNotFoundError:
        return False
