"""Moves to Queued: by those who submit, and by admission passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import frappe

from . import backlog, clock, config, events, history, sql, store
from .status import JobStatus

_FIRST, _AGAIN = "Job enqueued", "Job enqueued for retry"


def queue_new(jobs: Sequence[Mapping[str, Any]], submitter: str) -> list[Mapping[str, Any]]:
    """Queue jobs in the transaction that inserts them; returns those that moved.

    Jobs that are gone (rolled back to a savepoint) or were moved by somebody else are left out. Does not commit.
    """
    if not jobs:
        return []
    names, now = [job["name"] for job in jobs], clock.site_time()
    if _update(names, JobStatus.PENDING, {"queued_at": now}, submitter, now) < len(jobs):
        queued = _names_queued_at(names, now)
        jobs = [job for job in jobs if job["name"] in queued]
    _tell(jobs, JobStatus.PENDING, submitter, now)
    return list(jobs)


def queue_chosen(chosen: Sequence[Mapping[str, Any]], queue: str) -> list[Mapping[str, Any]]:
    """Queue the jobs that an admission pass has chosen; those that are in RQ already go to this queue.

    `chosen`: name, status and queue of each as the pass saw them. Left out is who is not there any more (moved, put
    off or replaced meanwhile), and whom somebody holds, so that one open transaction does not keep all others waiting.
    Returns the others in their order, as they were before. Does not commit.
    """
    if not chosen:
        return []
    seen = {job["name"]: (job["status"], job["queue"]) for job in chosen}
    rows = _in_place_query(list(seen))
    jobs = [job for job in sql.run_locking_read(rows, backlog.DISPATCH_FIELDS) if seen[job["name"]] == _place(job)]
    # Not whoever happens to be logged in where the engine sweeps.
    actor, now = config.ENGINE, clock.site_time()
    for status in sorted({JobStatus(job["status"]) for job in jobs}):
        of_status = [job for job in jobs if job["status"] == status]
        _update([job["name"] for job in of_status], status, {"queued_at": now, "queue": queue}, actor, now)
        if status != JobStatus.QUEUED:
            _tell(of_status, status, actor, now)
    by_name = {job["name"]: job for job in jobs}
    return [by_name[name] for name in seen if name in by_name]


def _place(job: Mapping[str, Any]) -> tuple[str, str]:
    return job["status"], job["queue"]


def _in_place_query(names: Sequence[str]):
    """Jobs of these names that are in line or Queued, and that nobody holds."""
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).force_index("PRIMARY").select(*(job[field] for field in backlog.DISPATCH_FIELDS))
    query = query.where(job.name.isin(list(names)) & ((job.in_line > 0) | (job.status == str(JobStatus.QUEUED))))
    return query.for_update(skip_locked=True)


def _update(names: Sequence[str], from_status: JobStatus, values: Mapping[str, Any], actor: str, now: datetime) -> int:
    return store.guarded_update(names, from_status, JobStatus.QUEUED, values, actor, now=now, lock_wait=store.LOCK_WAIT)


def _tell(jobs: Sequence[Mapping[str, Any]], from_status: JobStatus, actor: str, now: datetime) -> None:
    message = _FIRST if from_status == JobStatus.PENDING else _AGAIN
    history.write([history.event_of(job, from_status, JobStatus.QUEUED, message, actor) for job in jobs], at=now)
    events.announce(jobs, from_status, JobStatus.QUEUED, {})


def _names_queued_at(names: Sequence[str], moment: datetime) -> set[str]:
    job = frappe.qb.DocType(config.JOB)
    condition = job.name.isin(list(names)) & (job.status == str(JobStatus.QUEUED)) & (job.queued_at == moment)
    return set(frappe.qb.from_(job).select(job.name).where(condition).run(pluck=True))
