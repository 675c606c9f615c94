"""Another due time for a job that waits. Like the operations of `engine`, these do not commit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import frappe
from frappe import _

from . import clock, due_times, history, optimistic, submission, waiting
from .errors import InvalidJobError, InvalidTransitionError, JobChangedError
from .outbox import outbox
from .status import WAITING, JobStatus


def reschedule_job(job_id: str, available_at: datetime | timedelta | str | float):
    """Let a Pending job start at another time, as `submit_job` takes it; returns its document.

    Raises InvalidTransitionError unless it is Pending, JobNotFoundError if it can't be seen, InvalidJobError for what
    is no time.
    """
    if available_at is None or available_at == "":
        raise InvalidJobError(_("{0} is missing.").format("available_at"))
    due = due_times.epoch_of(available_at)
    return optimistic.operate(job_id, lambda job: _reschedule(job, due))


def _reschedule(job: dict[str, Any], due: float):
    if job["status"] != JobStatus.PENDING:
        raise InvalidTransitionError(
            _("Job {0} is {1}; only a pending job can be rescheduled.").format(job["name"], _(job["status"]))
        )
    before, after = clock.iso(job["due_epoch"] or 0), clock.iso(due)
    return _moved(job, due, f"Rescheduled from {before} to {after}")


def run_now(job_id: str):
    """Skip the wait of a Pending job for its time, or of a failed one for its retry; returns its document.

    What else it waits for (another job, a pause, a limit, its turn) stays; `waiting_reason.of_job` says it in words.
    Raises InvalidTransitionError if it waits for no time, JobNotFoundError if it can't be seen.
    """
    return optimistic.operate(job_id, _run_now)


def _run_now(job: dict[str, Any]):
    if job["status"] not in WAITING:
        raise InvalidTransitionError(
            _("Job {0} is {1}; only a job that waits for its time can be run now.").format(
                job["name"], _(job["status"])
            )
        )
    now = clock.now_epoch()
    if not waits_for_its_time(job, now):
        return submission.as_document(job)
    return _moved(job, now, f"To be run now instead of at {clock.iso(job['due_epoch'])}")


def waits_for_its_time(job: Any, now: float) -> bool:
    """Whether `run_now` would change anything for a job with these columns (status, due_epoch)."""
    return job["status"] in WAITING and (job["due_epoch"] or 0) > now


def _moved(job: dict[str, Any], due: float, message: str):
    if not waiting.set_due(job, due):
        raise JobChangedError(job["name"])
    status = JobStatus(job["status"])
    history.write([history.event_of(job, status, status, message, frappe.session.user)])
    outbox().reconsider(job)
    return submission.as_document({**job, **waiting.due_values(job, due)})
