"""Job Types by their handler, and jobs that are claimed or dead."""

from __future__ import annotations

from typing import Any

import frappe
from frappe.model.document import Document

from tests.support import attempts, factory, processes
from tests.support.jobs import submitted


def made(handler: str, **values: Any) -> str:
    """A Job Type of this handler, committed."""
    return factory.job_type(handler, handler, **values)


def running(job_type: str) -> Document:
    """A job that a worker has claimed and not come back from."""
    job = submitted(job_type)
    attempts.taken(job.name, 1)
    return job


def dead(job_type: str, **parameters: Any) -> Document:
    """A job that is a dead letter after two attempts, with no entry in a queue."""
    job = submitted(job_type, **parameters)
    frappe.db.set_value("Background Job", job.name, {"status": "Dead Letter", "attempt": 2, "retry_count": 1})
    frappe.db.commit()
    processes.queue_client().flushdb()
    return job
