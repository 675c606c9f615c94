"""Puts right what the straight way missed: the promise that a committed job is never lost rests here.

Bounded batches, the longest due first. Two sweepers at once are harmless: every move is a guarded UPDATE.
Commits; runs in the scheduler, in workers and from the command line only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import frappe

from . import clock, config, dependencies, dispatch, redis_queue, store
from .status import JobStatus

DUE_MESSAGES = {
    JobStatus.FAILED: "Job enqueued for retry",
    JobStatus.TIMED_OUT: "Job enqueued for retry",
    JobStatus.PENDING: dispatch.MESSAGE,
}


@dataclass(slots=True)
class Report:
    """What one sweep did."""

    queued: int = 0
    rung_again: int = 0
    orphans: int = 0


def sweep() -> Report:
    """One pass over everything that may be due. Redis down: nothing moves, and nothing is lost."""
    frappe.db.commit()  # a fresh snapshot
    report = Report()
    report.orphans = dependencies.end_orphans(store.orphans(config.settings().sweep_batch))
    if config.settings().is_paused:
        return report
    report.queued = dispatch.quietly(queue_due) or 0
    report.rung_again = dispatch.quietly(ring_again) or 0
    return report


def queue_due() -> int:
    """Queue waiting jobs whose time has come: retries first, then those submitted for later or never dispatched."""
    limit = config.settings().sweep_batch
    return sum(_queue_due_in(status, message, limit) for status, message in DUE_MESSAGES.items())


def ring_again() -> int:
    """Renew the RQ entries of Queued jobs that Redis has lost (flushed, restarted, taken by a killed worker)."""
    settings = config.settings()
    client = redis_queue.connection()
    moment = clock.site_time() - timedelta(seconds=settings.requeue_after)
    queued = store.queued_before(moment, settings.sweep_batch)
    lost = redis_queue.missing(queued, client) if queued else []
    redis_queue.push(lost, client)
    return len(lost)


def scheduled() -> None:
    """Entry of the scheduler, every tick."""
    sweep()


def process_retry_queue() -> None:
    """The original's name for the part of the sweep that retries failed jobs."""
    sweep()


def process_dependent_jobs() -> None:
    """The original's name for the part of the sweep that releases dependent jobs."""
    sweep()


def _queue_due_in(status: JobStatus, message: str, limit: int) -> int:
    return dispatch.in_own_transaction(
        lambda _client: store.queue_all(store.due(status, clock.now_epoch(), limit), status, message)
    )
