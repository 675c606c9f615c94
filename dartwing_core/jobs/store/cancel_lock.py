"""The named lock of whoever cancels a running attempt, for which its settle waits.

From the look at the job until the request is written, the one who cancels holds it; a settle looks for it in its
guarded UPDATE, and waits for it for some seconds.
"""

from __future__ import annotations

import frappe
from frappe import _

from ..base import config, ids
from ..base.row_types import AttemptKey, MovableJob
from ..db import named_locks, sql
from ..errors import InvalidTransitionError, JobCanceledError, JobChangedError

SETTLE_WAIT = 2
"""Seconds in which a settle that is under way should have committed."""


def hold_settle(job: MovableJob) -> None:
    """Let a settle of the running attempt wait for the end of this transaction; raises JobChangedError if it is over.

    The row is locked once the lock is taken, so that a settle has either committed before or sees the lock.
    """
    acquire_lock(job)
    row = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(row).select(row.status, row.attempt).where(row.name == job["name"]).for_update()
    try:
        with sql.locked_outside(query, SETTLE_WAIT) as now:
            pass
    except BaseException:
        named_locks.release_lock(lock_of(job))
        raise
    if now and (now["status"], now["attempt"]) != (job["status"], job["attempt"]):
        named_locks.release_lock(lock_of(job))
        raise JobChangedError(job["name"])


def acquire_lock(job: AttemptKey) -> None:
    """Take the named lock of whoever cancels this attempt; raises InvalidTransitionError if somebody else keeps it.

    Two can't have it: once the first one has rolled back, no settle would wait for the second.
    """
    try:
        is_free = named_locks.acquire_lock(lock_of(job), SETTLE_WAIT) is not False
    except Exception as error:  # each of two waits for a lock of the other
        if not sql.is_conflict(error):
            raise
        is_free = False
    if not is_free:
        raise InvalidTransitionError(_("Job {0} is being canceled by somebody else.").format(job["name"]))


def await_decision(job: AttemptKey) -> None:
    """Wait until a transaction that is cancelling this attempt has ended, but not for as long as a lease lasts.

    Raises JobCanceledError if it is the attempt's own: its handler has canceled the job.
    """
    if named_locks.has_lock(lock_of(job)):
        raise JobCanceledError(_("The job was canceled by its own handler."))
    try:
        with named_locks.named_lock(lock_of(job), config.settings().lease_seconds / 4):
            pass
    except Exception as error:  # it waits for a named lock of ours
        if not sql.is_conflict(error):
            raise


def lock_of(job: AttemptKey) -> str:
    """The named lock of whoever is cancelling this attempt."""
    return f"cancel:{ids.run_name(job['name'], job['attempt'])}"
