"""Cancelling, in every state a job may be in.

A waiting job is Canceled in the caller's transaction. A running one is asked to stop once that transaction has
committed; its heartbeat tells the handler, and after a grace period `rescue.stop_canceled` ends it by force.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import frappe
from frappe import _

from . import admission, batch_end, clock, config, dispatch, rq_attempts, runs, sql, store
from .context import text_for_storage
from .errors import InvalidTransitionError
from .outbox import outbox
from .status import JobStatus, can_move

TRIES = 3


def cancel(job: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
    """Cancel a job as read from the database; returns its columns as they are then."""
    status = JobStatus(job["status"])
    user = frappe.session.user
    if status == JobStatus.RUNNING:
        outbox().actions.append(lambda: ask_to_stop(job["name"], user, reason))
        return dict(job)
    if not can_move(status, JobStatus.CANCELED):
        raise InvalidTransitionError(_("Job {0} is {1} and can't be canceled.").format(job["name"], _(status.value)))
    written = values(user, job)
    if not store.transition(job, JobStatus.CANCELED, message(reason), values=written):
        raise InvalidTransitionError(_("Job {0} has just changed; look at it again.").format(job["name"]))
    outbox().actions.append(lambda: _afterwards(job))
    return {**job, **written, "status": str(JobStatus.CANCELED)}


def ask_to_stop(name: str, user: str, reason: str | None) -> None:
    """Leave the request on the run row; if the attempt ends meanwhile, cancel what became of the job instead, and if
    another attempt begins meanwhile, ask that one."""
    for _try in range(TRIES):
        sql.commit()  # a fresh snapshot
        job = store.load(name)
        if not job or not can_move(JobStatus(job["status"]), JobStatus.CANCELED):
            return  # it has ended
        end = _request if job["status"] == JobStatus.RUNNING else _cancel_waiting
        if end(job, user, reason):
            return


def _request(job: Mapping[str, Any], user: str, reason: str | None) -> bool:
    """Ask the running attempt to stop; whether it is there to do so."""
    name, attempt = job["name"], job["attempt"]
    sql.committed(lambda: runs.request_cancel(name, attempt, user, reason))
    dispatch.quietly(lambda: rq_attempts.flag_stop(name, attempt))
    now = store.load(name, "status", "attempt")
    return now is not None and (now["status"], now["attempt"]) == (JobStatus.RUNNING, attempt)


def _cancel_waiting(job: Mapping[str, Any], user: str, reason: str | None) -> bool:
    """Whether it was still waiting, and is canceled now."""
    written = values(user, job)
    is_canceled = sql.committed(
        lambda: store.transition(job, JobStatus.CANCELED, message(reason), values=written, actor=user)
    )
    if is_canceled:
        _afterwards(job)
    return is_canceled


def _afterwards(job: Mapping[str, Any]) -> None:
    """Tell the jobs that wait for this one, and let others have its place if it was Queued."""
    batch_end.job_ended(job)
    if job["status"] == JobStatus.QUEUED:
        admission.after_cancel([job])


def values(user: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a job that a user has canceled. One that was Queued may have been lifted."""
    queue = {"queue": config.own_queue(job)} if job["status"] == JobStatus.QUEUED else {}
    return {"canceled_at": clock.site_time(), "canceled_by": user, "next_retry_at": None, **queue}


def message(reason: str | None) -> str:
    """What its history says then."""
    return text_for_storage(f"Job canceled: {reason}" if reason else "Job canceled")
