"""The work after a settle, best effort: jobs and batches that waited for it go on, circuits open and close."""

from __future__ import annotations

import time
from functools import partial

from ..access import tenancy
from ..job import circuits, events, record
from ..job.runs import Outcome
from ..lib import best_effort, clock, config, sql
from ..lib.config import JobType
from ..lib.rows import MovableJob, TypeAndOrganization
from ..line import wake
from ..run.attempt import Attempt
from ..status import FINISHED, JobStatus
from . import batch_end

QUICK_SECONDS = 1.0
CHANGED = "job_circuit_changed"
"""Realtime event for the admins of the organization."""


def follow_up(attempt: Attempt, *, is_hurried: bool = False) -> None:
    """Release the jobs that waited for this one, and close its batch if it was the last.

    `is_hurried`: whether the next job is claimed already. Then a quick job that had no children when it began is spared
    that query. The next sweep releases a child that has come since.
    """
    job, end = attempt.job, attempt.end
    if end is None:
        return
    best_effort.run(partial(record_end, job.row, end, is_probe=job.is_probe))
    if end.status not in FINISHED:  # the job goes on
        return
    batch = job.row["parent_batch"]
    if job.has_children or not is_hurried or time.monotonic() - attempt.started > QUICK_SECONDS:
        best_effort.run(partial(batch_end.release_and_close, [job.name], [batch]))
    elif batch:
        best_effort.run(partial(batch_end.close_ended, [batch]))


def requeue_if_due(attempt: Attempt) -> None:
    """Put a job in line again whose next attempt is due at once. Others wait for the sweeper."""
    name, end = attempt.job.name, attempt.end
    if end is not None and end.due is not None and end.due <= clock.now_epoch():
        best_effort.run(lambda: wake.wake_for(sql.committed(lambda: record.enter_line([name]))))


def record_end(job: MovableJob, end: Outcome, *, is_probe: bool) -> None:
    """Record the committed end of an attempt. Commits.

    `is_probe`: whether it was claimed as the probe of its circuit. A transient failure costs one statement. A success
    costs none unless it was the probe. Types without a circuit breaker cost nothing.
    """
    job_type = config.job_type(job["job_type"])
    if job_type is None or not circuits.has_breaker(job_type):
        return
    if end.is_transient:
        _record_failure(job, job_type)
    elif is_probe:
        has_closed = end.status == JobStatus.COMPLETED and sql.committed(partial(circuits.close, job))
        wake.wake_for_line()  # the next probe may try
        if has_closed:
            announce_change(job, circuits.CLOSED)


def _record_failure(job: MovableJob, job_type: JobType) -> None:
    seen = circuits.tally(job, job_type)
    until = clock.now_epoch() + 60 * (job_type.circuit_breaker_cooldown_minutes or 0)
    is_enough = seen.samples >= max(1, job_type.circuit_breaker_min_samples or 0)
    must_open = is_enough and seen.failures >= (job_type.circuit_breaker_failure_threshold or 1) * seen.samples
    has_opened = False
    if seen.status == circuits.HALF_OPEN:
        has_opened = sql.committed(partial(circuits.reopen, job, until))
    elif must_open and seen.status != circuits.OPEN:
        has_opened = sql.committed(partial(circuits.open_anew, job, seen, until))
    if has_opened:
        announce_change(job, circuits.OPEN, until)


def announce_change(job: TypeAndOrganization, status: str, until: float | None = None) -> None:
    """Update the admins' screens, after the commit."""
    message = {
        "job_type": job["job_type"],
        "organization": job["organization"],
        "organization_name": tenancy.name_of(job["organization"]),
        "status": status,
        "open_until": clock.isoformat(clock.site_time(until)) if until else None,
        "updated_at": clock.iso_clock()(),
    }
    for user in tenancy.admins_of(job["organization"]):
        events.publish_to_user(user, CHANGED, message)
