"""A slice in the test's own process: what a worker's process does under one entry."""

from __future__ import annotations

import time

import frappe
import pytest
from frappe.model.document import Document
from frappe.utils import background_jobs
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from dartwing_core.jobs import executor
from dartwing_core.jobs.job import find
from dartwing_core.jobs.line.claim import Claimer
from dartwing_core.jobs.rq import doorbells, redis_queue

from . import processes
from .jobs import status

WORKER = "rq:worker:of-a-test"
ENTRY = "an-entry"


def run_slice(job: Document, *, timeout: float = 300, queues: tuple[str, ...] = ("default",)) -> None:
    """Do what a worker does under an entry that names this job."""
    processes.queue_client().delete(redis_queue.list_key("default"))
    entry = _entry(timeout, queues)
    claimer = Claimer(ends_at=time.monotonic() + timeout + find.OVERTIME, entry=entry)
    executor.Loop(claimer, entry).run(job.name, 1)
    frappe.set_user("Administrator")


def run_entry(job: Document, *, timeout: int = 300) -> None:
    """Do the same from RQ's alarm and Frappe's function for background jobs on, which calls hooks for the entry."""
    arguments = {"background_job": job.name, "attempt": 1}
    with pytest.MonkeyPatch.context() as patch, UnixSignalDeathPenalty(timeout, JobTimeoutException):
        patch.setattr(doorbells, "accept_entry", lambda: _entry(timeout, ("default",)))
        background_jobs.execute_job(frappe.local.site, redis_queue.EXECUTE, None, ENTRY, arguments, is_async=False)
    frappe.local.job = None
    frappe.set_user("Administrator")


def _entry(timeout: float, queues: tuple[str, ...]) -> doorbells.Entry:
    return doorbells.Entry(ENTRY, timeout, WORKER, queues[0], queues)


def statuses(jobs: list[Document]) -> list[str]:
    """Of each job, in their order."""
    return [status(job) for job in jobs]
