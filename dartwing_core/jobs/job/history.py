"""Job Execution Log: one row for each change of a job's status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import frappe

from ..lib import clock, config, dml, ids
from ..lib.dml import standard_columns
from ..lib.row_types import MovableJob
from ..status import JobStatus

MESSAGE_LENGTH = 500
PUBLIC_FIELDS = ("from_status", "to_status", "timestamp", "actor", "message", "retry_attempt", "duration", "worker")


class Event(NamedTuple):
    """One status change of one job."""

    background_job: str
    organization: str
    from_status: str | None
    to_status: str
    message: str
    actor: str
    retry_attempt: int
    duration: float = 0
    worker: str | None = None


def event_of(
    job: MovableJob, from_status: JobStatus | None, to_status: JobStatus, message: str, actor: str, **more: Any
) -> Event:
    """The event of a job. `more`: further fields."""
    fields = {"retry_attempt": job["retry_count"], **more}
    before = str(from_status) if from_status else None
    return Event(job["name"], job["organization"], before, str(to_status), message[:MESSAGE_LENGTH], actor, **fields)


def write(events: Sequence[Event]) -> None:
    """Add the events, in one statement."""
    if not events:
        return
    now = clock.site_time()
    rows = [
        {**standard_columns(ids.time_ordered_id(), event.actor, now), "timestamp": now, **event._asdict()}
        for event in events
    ]
    dml.insert_rows(config.LOG, rows)


def of_job(job_id: str) -> list[dict[str, Any]]:
    """The events of a job, oldest first (names are in the order of their making)."""
    log = frappe.qb.DocType(config.LOG)
    query = frappe.qb.from_(log).select(*(log[field] for field in PUBLIC_FIELDS))
    return query.where(log.background_job == job_id).orderby(log.name).run(as_dict=True)
