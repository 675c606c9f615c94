"""Job Execution Log: one row for each change of a job's status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

import frappe

from ..lib import clock, config, dml, ids
from ..lib.dml import STANDARD, standard_values
from ..lib.row_types import fields_of
from ..status import JobStatus


class LoggedJob(TypedDict):
    """The columns of a job that the history repeats."""

    name: str
    organization: str
    retry_count: int


class HistoryRow(TypedDict):
    """A change of a job's status, as people read it."""

    from_status: str | None
    to_status: str
    timestamp: datetime
    actor: str
    message: str
    retry_attempt: int
    duration: float
    worker: str | None


MESSAGE_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Event:
    """One status change of one job."""

    background_job: str
    organization: str
    from_status: JobStatus | None
    to_status: JobStatus
    message: str
    actor: str
    retry_attempt: int = 0
    duration: float = 0
    worker: str | None = None


def event_of(
    job: LoggedJob, from_status: JobStatus | None, to_status: JobStatus, message: str, actor: str, **more: Any
) -> Event:
    """The event of a job's row, with its name, organization and retry_count. `more`: further fields."""
    fields = {"retry_attempt": job["retry_count"], **more}
    return Event(job["name"], job["organization"], from_status, to_status, message, actor, **fields)


_FIELDS = tuple(Event.__dataclass_fields__)


def write(events: Sequence[Event], at: datetime | None = None) -> None:
    """Add the events, in one statement."""
    if not events:
        return
    now = at or clock.site_time()
    dml.insert_rows(config.LOG, (*STANDARD, "timestamp", *_FIELDS), [_row(event, now) for event in events])


def of_job(job_id: str) -> list[HistoryRow]:
    """The events of a job, oldest first (names are in the order of their making)."""
    log = frappe.qb.DocType(config.LOG)
    query = frappe.qb.from_(log).select(*(log[field] for field in fields_of(HistoryRow)))
    return query.where(log.background_job == job_id).orderby(log.name).run(as_dict=True)


def _row(event: Event, now: datetime) -> tuple[Any, ...]:
    from_status = str(event.from_status) if event.from_status else None
    return (
        *standard_values(ids.time_ordered_id(), event.actor, now),
        now,
        event.background_job,
        event.organization,
        from_status,
        str(event.to_status),
        event.message[:MESSAGE_LENGTH],
        event.actor,
        event.retry_attempt,
        event.duration,
        event.worker,
    )
