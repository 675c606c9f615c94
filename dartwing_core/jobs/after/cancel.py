"""Cancels a job in each state.

A waiting job is Canceled in the caller's transaction. A running one is asked to stop once that transaction has
committed. Its heartbeat tells the handler. After a grace period `rescue.stop_canceled` ends it by force.

An accepted cancel wins over an attempt that ends meanwhile. The caller holds a named lock from its read of the job
until the request is written. A settle tests the lock in its guarded UPDATE, and waits for it for some seconds.
"""

from __future__ import annotations

import frappe
from frappe import _

from ..errors import InvalidTransitionError, JobChangedError
from ..job import cancel_lock, job_store, runs
from ..job.job_rows import JobRow
from ..lib import best_effort, clock, config, named_locks, sql
from ..lib.row_types import Columns, changed
from ..lib.texts import TEXT_LENGTH
from ..line import wake
from ..rq import rq_attempts
from ..run.context import text_for_storage
from ..status import JobStatus, can_move
from ..submit.after_commit import after_commit
from . import batch_end

TRIES = 5
MESSAGE = "Job canceled"
"""In the history, before the reason."""


def cancel(job: JobRow, reason: str | None) -> JobRow:
    """Cancel a job as read from the database. Returns its columns as they are then.

    Raises JobChangedError if the row has changed since.
    """
    status = JobStatus(job["status"])
    user = frappe.session.user
    if status == JobStatus.RUNNING:
        if frappe.db.db_type == "mariadb":
            cancel_lock.block_settle(job)
        return _request_after_commit(job, user, reason)
    if not can_move(status, JobStatus.CANCELED):
        raise InvalidTransitionError(_("Job {0} is {1} and can't be canceled.").format(job["name"], _(status.value)))
    written = values(user, reason)
    if not job_store.transition(job, JobStatus.CANCELED, MESSAGE, values=written, lock_wait=job_store.LOCK_WAIT):
        if not job_store.is_current(job["name"], job["attempt"] + 1, job_store.LOCK_WAIT):
            raise JobChangedError(job["name"])
        started = changed(job, {"status": str(JobStatus.RUNNING), "attempt": job["attempt"] + 1})
        cancel_lock.acquire_lock(started)  # this transaction has locked the row by now
        return _request_after_commit(started, user, reason)
    after_commit().actions.append(lambda: batch_end.follow_up_end(job))
    if status == JobStatus.QUEUED:
        after_commit().add_once(wake.admit_held)
    return changed(job, {**written, "status": str(JobStatus.CANCELED)})


def cancel_abandoned(name: str) -> bool:
    """Cancel a waiting job whose owner is gone, in the caller's transaction. Returns whether it still waited.

    Waits at most `job_store.LOCK_WAIT` seconds for the row. The error is then the database's.
    """
    job = job_store.load_locked(name)
    reason = _("Its owner has left the organization, and an equal job was submitted.")
    if job is None or job["status"] == JobStatus.RUNNING or not can_move(JobStatus(job["status"]), JobStatus.CANCELED):
        return False
    written = values(config.ENGINE, reason)
    if not job_store.transition(job, JobStatus.CANCELED, MESSAGE, values=written, actor=config.ENGINE):
        return False
    after_commit().actions.append(lambda: batch_end.follow_up_end(job))
    return True


def _request_after_commit(job: JobRow, user: str, reason: str | None) -> JobRow:
    actions, lock = after_commit(), named_locks.lock_name(cancel_lock.lock_of(job))

    def request_and_release() -> None:
        try:
            request_stop(job["name"], user, reason)
        finally:
            actions.release_kept(lock)

    actions.kept_locks.append(lock)
    actions.actions.insert(0, request_and_release)  # first, since a settle may wait for it
    return job


def request_stop(name: str, user: str, reason: str | None) -> None:
    """Write the request on the run row. If the attempt ends meanwhile, cancel the job in its new state instead.

    If another attempt begins meanwhile, ask that one to stop."""
    for _try in range(TRIES):
        sql.commit()  # a fresh snapshot
        job = job_store.load(name)
        if not job or not can_move(JobStatus(job["status"]), JobStatus.CANCELED):
            return  # it has ended
        end = _request if job["status"] == JobStatus.RUNNING else _cancel_waiting
        if end(job, user, reason):
            return


def _request(job: JobRow, user: str, reason: str | None) -> bool:
    """Ask the running attempt to stop. Returns whether it is still running."""
    name, attempt = job["name"], job["attempt"]
    sql.committed(lambda: runs.request_cancel(name, attempt, user, reason))
    best_effort.run(lambda: rq_attempts.flag_stop(name, attempt))
    now = job_store.load(name, "status", "attempt")
    return now is not None and (now["status"], now["attempt"]) == (JobStatus.RUNNING, attempt)


def _cancel_waiting(job: JobRow, user: str, reason: str | None) -> bool:
    """Cancel a job that still waits. Returns whether it did."""
    written = values(user, reason)
    is_canceled = sql.committed(
        lambda: job_store.transition(job, JobStatus.CANCELED, MESSAGE, values=written, actor=user)
    )
    if is_canceled:
        batch_end.follow_up_end(job)
        wake.admit_held()
    return is_canceled


def values(user: str, reason: str | None) -> Columns:
    """The columns of a job that a user has canceled."""
    now = clock.site_time()
    said = text_for_storage(reason)[:TEXT_LENGTH] if reason else None
    ended = {"canceled_at": now, "canceled_by": user, "completed_at": now, "next_retry_at": None}
    return ended | {"cancel_reason": said}
