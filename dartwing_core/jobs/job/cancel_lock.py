"""The named lock of a caller that cancels a running attempt, for which its settle waits.

The caller holds it from its read of the job until the request is written. A settle tests it in its guarded UPDATE,
and waits for it for some seconds.
"""

from __future__ import annotations

import frappe
from frappe import _

from ..errors import InvalidTransitionError, JobCanceledError, JobChangedError
from ..lib import config, ids, named_locks, sql
from ..lib.row_types import AttemptKey, MovableJob

SETTLE_WAIT = 2
"""Seconds in which a settle that is under way should have committed."""


def block_settle(job: MovableJob) -> None:
    """Let a settle of the attempt wait for the end of this transaction. Raises JobChangedError if the attempt is over.

    The row is locked after the named lock. So a settle has either committed before, or sees the named lock.
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
    """Acquire the named lock for canceling this attempt. Raises InvalidTransitionError if another caller keeps it.

    Only one caller may have it: after a rollback by the first, no settle would wait for the second.
    """
    if named_locks.acquire_lock(lock_of(job), SETTLE_WAIT) is False:
        raise InvalidTransitionError(_("Job {0} is being canceled by somebody else.").format(job["name"]))


def await_decision(job: AttemptKey) -> None:
    """Wait until a transaction that cancels this attempt has ended, at most for a quarter of a lease.

    Raises JobCanceledError if that is this transaction: the handler has canceled its own job.
    """
    if named_locks.has_lock(lock_of(job)):
        raise JobCanceledError(_("The job was canceled by its own handler."))
    with named_locks.named_lock(lock_of(job), config.settings().lease_seconds / 4):
        pass


def lock_of(job: AttemptKey) -> str:
    """The name of the lock for canceling this attempt."""
    return f"cancel:{ids.run_name(job['name'], job['attempt'])}"
