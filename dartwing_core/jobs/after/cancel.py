"""Cancels a job in each state.

A waiting job is Canceled in the caller's transaction. A running one is asked to stop: the request is written to the row
of its attempt, in the caller's transaction too. The settle of the attempt writes that row first. So one of the two
waits for the other, and an accepted cancel wins. The heartbeat reads it and tells the handler. After a grace period
`sweep.rescue` ends it by force.
"""

from __future__ import annotations

import time
from functools import partial

import frappe
from frappe import _

from ..errors import InvalidTransitionError, JobChangedError
from ..job import find, runs
from ..job.find import LOCK_WAIT
from ..job.job_rows import JobRow
from ..job.record import Job
from ..lib import sql
from ..line import wake
from ..status import JobStatus, can_move
from . import batch_end
from .after_commit import after_commit, busy

TRIES = 5
PAUSE = 0.02


def cancel(job: JobRow, reason: str | None) -> JobRow:
    """Cancel a job as read from the database. Returns its columns as they are then.

    Raises JobChangedError if the row has changed since.
    """
    status, user = JobStatus(job["status"]), frappe.session.user
    if status == JobStatus.RUNNING:
        _ask_to_stop(job, user, reason)
        return job
    if not can_move(status, JobStatus.CANCELED):
        raise InvalidTransitionError(_("Job {0} is {1} and can't be canceled.").format(job["name"], _(status.value)))
    canceled = Job(job)
    if not canceled.cancel(user, reason):
        raise JobChangedError(job["name"])
    after_commit().actions.append(partial(batch_end.release_and_close, [job["name"]], [job["parent_batch"]]))
    if status == JobStatus.QUEUED:
        after_commit().add_once(wake.admit_held)
    return canceled.row


def _ask_to_stop(job: JobRow, user: str, reason: str | None) -> None:
    """Ask the running attempt to stop. Raises JobChangedError if it has settled, JobBusyError if another has the row.

    Waits here and not in the database: this transaction may hold the job's row, for which a settle waits.
    """
    deadline = time.monotonic() + LOCK_WAIT
    while not runs.request_cancel(job["name"], job["attempt"], user, reason):
        if time.monotonic() > deadline:
            raise busy()
        time.sleep(PAUSE)
    now = find.load_now(job["name"])
    if now and (now["status"], now["attempt"]) != (JobStatus.RUNNING, job["attempt"]):
        raise JobChangedError(job["name"])


def cancel_now(name: str, user: str, reason: str | None) -> None:
    """Cancel a job in whatever live state it is, in transactions of its own. Does nothing once it has ended."""
    for _try in range(TRIES):
        sql.commit()  # a fresh snapshot
        job = find.load(name)
        if not job or not can_move(JobStatus(job["status"]), JobStatus.CANCELED):
            return
        try:
            if job["status"] == JobStatus.RUNNING:
                sql.committed(partial(_ask_to_stop, job, user, reason))
                return
        except JobChangedError:
            continue
        if sql.committed(partial(Job(job).cancel, user, reason)):
            batch_end.release_and_close([name], [job["parent_batch"]])
            wake.admit_held()
            return
