"""Jobs that leave one Note each, which names them, and how many there are of both."""

from __future__ import annotations

from frappe.model.document import Document

from tests.support import database


def in_status(job_type: str, status: str = "Completed") -> int:
    """How many jobs of the type have this status."""
    return database.value(
        "SELECT COUNT(*) FROM `tabBackground Job` WHERE job_type = %s AND status = %s", job_type, status
    )


def each_ran_once(number: int) -> bool:
    """Whether there are so many Notes, of as many jobs."""
    count = "SELECT COUNT(*), COUNT(DISTINCT title) FROM tabNote WHERE title LIKE 'test JOB-%%'"
    return database.rows(count) == [(number, number)]


def notes(job: Document) -> int:
    """How many committed Notes name the job."""
    return database.value("SELECT COUNT(*) FROM tabNote WHERE title LIKE %s", f"test {job.name}%")
