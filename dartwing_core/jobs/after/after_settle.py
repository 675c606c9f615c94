"""The work after a settle, best effort: jobs and batches that waited for it go on, circuits open and close."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..access import tenancy
from ..job import circuits, events, record
from ..job.runs import Outcome
from ..lib import best_effort, clock, sql
from ..lib.config import JobType
from ..lib.rows import MovableJob, TypeAndOrganization
from ..line import queue_view
from ..run.attempt import Attempt
from ..status import FINISHED, JobStatus
from . import batch_end

CHANGED = "job_circuit_changed"
"""Realtime event for the admins of the organization."""


def release_waiting(attempts: Sequence[Attempt]) -> None:
    """Release the jobs that waited for those of these attempts, and close batches that ended with them. Commits."""
    over = [attempt.job.row for attempt in attempts if attempt.end and attempt.end.status in FINISHED]
    batch_end.release_and_close([job["name"] for job in over], {job["parent_batch"] for job in over})


def requeue_if_due(attempt: Attempt) -> None:
    """Put a job in line again whose next attempt is due at once. Others wait for the sweeper."""
    name, end = attempt.job.name, attempt.end
    if end is not None and end.due is not None and end.due <= clock.now_epoch():
        best_effort.run(partial(sql.committed, partial(record.enter_line, [name])))


def tell_circuit(attempt: Attempt) -> None:
    """Record the end of the attempt for its circuit, best effort."""
    job = attempt.job
    if attempt.end:
        best_effort.run(partial(record_end, job.row, attempt.end, job.job_type, is_probe=job.is_probe))


def record_end(job: MovableJob, end: Outcome, job_type: JobType | None, *, is_probe: bool = False) -> None:
    """Record the committed end of an attempt for its circuit. Commits.

    `is_probe`: whether it was claimed as the probe. A transient failure costs one statement. A success costs none
    unless it was the probe. Types without a circuit breaker cost nothing.
    """
    if job_type is None or not circuits.has_breaker(job_type):
        return
    if end.is_transient:
        _record_failure(job, job_type)
    elif is_probe:
        has_closed = end.status == JobStatus.COMPLETED and sql.committed(partial(circuits.close, job))
        queue_view.ring_for_line()  # the next probe may try
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
