"""Job Execution Log: one row for each change of a job's status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import frappe

from ..lib import clock, config, ids, sql
from ..lib.rows import Columns, DoubtfulRow, JobRow, MovableJob
from ..lib.sql import standard_columns
from ..lib.tables import LOG
from ..status import JobStatus

MESSAGE_LENGTH = 500
Event = Columns
"""A change of one job's status: the columns of its row but the standard ones and the time."""
PUBLIC_FIELDS = ("from_status", "to_status", "timestamp", "actor", "message", "retry_attempt", "duration", "worker")


def event_of(
    job: MovableJob, from_status: JobStatus | None, to_status: JobStatus, message: str, actor: str, **more: Any
) -> Event:
    """The event of a job. `more`: `retry_attempt`, `duration` in seconds, `worker`."""
    return {
        "background_job": job["name"],
        "organization": job["organization"],
        "actor": actor,
        "from_status": str(from_status) if from_status else None,
        "to_status": str(to_status),
        "message": message[:MESSAGE_LENGTH],
        "retry_attempt": job["retry_count"],
        "duration": 0,
        "worker": None,
        **more,
    }


def attempt_of(job: JobRow | DoubtfulRow) -> str:
    """Which of its attempts a job makes, such as "attempt 2 of 4". Crashes and snoozes cost no retry, nor count."""
    return f"attempt {job['retry_count'] + 1} of {job['max_retries'] + 1}"


def write(events: Sequence[Event]) -> None:
    """Add the events, in one statement."""
    if not events:
        return
    now = clock.site_time()
    rows = [{**standard_columns(ids.time_ordered_id(), one["actor"], now), "timestamp": now, **one} for one in events]
    sql.insert_rows(config.LOG, rows)


def of_job(job_id: str) -> list[dict[str, Any]]:
    """The events of a job, oldest first (names are in the order of their making)."""
    query = frappe.qb.from_(LOG).select(*(LOG[field] for field in PUBLIC_FIELDS))
    return query.where(LOG.background_job == job_id).orderby(LOG.name).run(as_dict=True)
