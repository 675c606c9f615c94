"""Submitting and running jobs, as most tests do it."""

from __future__ import annotations

from typing import Any, cast

import frappe
from frappe.model.document import Document

from dartwing_core.jobs import executor, get_job_history, get_job_status, submit_job, submit_jobs

from . import contents, factory, processes
from .waiting import until

LONG_AGO = 10


def submitted(job_type: str, **parameters: Any) -> Document:
    """A job of Test Alpha with these parameters, committed."""
    job = submit_job(job_type, factory.ALPHA, parameters)
    frappe.db.commit()
    return job


def submitted_with(job_type: str, **arguments: Any) -> Document:
    """A job of Test Alpha submitted with these arguments, committed."""
    job = submit_job(job_type, factory.ALPHA, **arguments)
    frappe.db.commit()
    return job


def submit_many(
    job_type: str, number: int, organization: str = factory.ALPHA, *, priority: str | None = None, **parameters: Any
) -> list[Document]:
    """So many jobs with these parameters, and their number as `n`, by one commit."""
    request = {"job_type": job_type, "organization": organization, "priority": priority}
    jobs = submit_jobs({**request, "parameters": {**parameters, "n": n}} for n in range(number))
    frappe.db.commit()
    return jobs


def submitted_by(user: str, job_type: str, **parameters: Any) -> Document:
    """The same by another user; Administrator is logged in again afterwards."""
    frappe.db.commit()
    frappe.set_user(user)
    job = submitted(job_type, **parameters)
    frappe.set_user("Administrator")
    return job


def submitted_for(user: str, organization: str, job_type: str, **parameters: Any) -> Document:
    """The same for another organization."""
    frappe.db.commit()
    frappe.set_user(user)
    job = submit_job(job_type, organization, parameters)
    frappe.db.commit()
    frappe.set_user("Administrator")
    return job


def run(job: Document, attempt: int = 1) -> dict[str, Any]:
    """Make an attempt in this process; the job's status after it."""
    executor.execute_job(job.name, attempt)
    return get_job_status(job.name)


def status(job: Document) -> str:
    """The job's status as committed now."""
    frappe.db.rollback()
    return get_job_status(job.name)["status"]


def reason(job: Document) -> str | None:
    """Why the job waits, as committed now; None if it does not."""
    frappe.db.rollback()
    return get_job_status(job.name)["waiting_reason"]


def messages(job: Document) -> list[str]:
    """What its history says, in its order."""
    return [event["message"] for event in get_job_history(job.name)["history"]]


def lose(job: Document, seconds: int = 60) -> None:
    """Let its attempt have begun so long ago."""
    frappe.db.sql(
        "UPDATE `tabBackground Job` SET started_epoch = UNIX_TIMESTAMP() - %s WHERE name = %s", (seconds, job.name)
    )
    frappe.db.commit()


def lose_long_ago(job: Document) -> None:
    """The same, LONG_AGO, and the database's server remembers that time."""
    until(lambda: int(frappe.db.sql("SHOW GLOBAL STATUS LIKE 'Uptime'")[0][1]) > LONG_AGO, 15, "a server old enough")
    lose(job, LONG_AGO)


def named(entry: bytes) -> str:
    """The job that an RQ entry with this id names."""
    return attempt_of(entry).rpartition("-")[0]


def attempt_of(entry: bytes) -> str:
    """The attempt that an RQ entry with this id names."""
    text = entry.decode()
    return text[text.index("JOB-") :].rpartition("-")[0]


def set_columns(job: Document, **values: Any) -> None:
    """Write these columns of its row, committed, as nobody but a test does."""
    contents.store(job.name, values)
    frappe.db.commit()


def entries() -> set[str]:
    """The attempts that RQ entries name: without "JOB-"."""
    keys = cast("list[bytes]", processes.queue_client().keys("rq:job:*JOB-*"))
    return {attempt_of(key).removeprefix("JOB-") for key in keys}
