"""Waiting jobs, and their way into the line.

A job waits for its due time, for another job (`waits_for`), or for a place under its organization's waiting cap (held).
Once it waits for nothing it is in line: Queued, and the next free worker may claim it. `in_line` tells all three apart
(`status.LinePlace`). So each query of workers and sweeper is one range of an index, however many jobs wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import frappe
from pypika import Case

from ..lib import clock, config, sql
from ..lib.row_types import Columns, fields_of
from ..lib.rows import update_query
from ..status import WAITING, JobStatus, LinePlace
from . import backlog, event_jobs, events, history, job_store, new_rows
from .job_rows import DueRow, JobRow

ENTERED_AGAIN = "Job enqueued for retry"


def waiting_columns(parent: str) -> Columns:
    """The columns that differ for a new job that waits for another one."""
    return {"status": str(JobStatus.PENDING), "queued_at": None, "in_line": int(LinePlace.OUTSIDE), "waits_for": parent}


def held_columns() -> Columns:
    """The columns that differ for a new job that is due, but has no place in line."""
    return {"status": str(JobStatus.PENDING), "queued_at": None, "in_line": int(LinePlace.HELD)}


# Other times and parents -----------------------------------------------------------------------------------------


def set_due(job: JobRow, due_epoch: float) -> Columns | None:
    """Reschedule a waiting job. Returns the changed columns, None if the row has changed since the caller's read.

    `waits_for` may change at the same moment, so it is not written. `enter_due` puts a due job in line. Does not
    commit.
    """
    values = new_rows.due_columns(due_epoch, job["priority"])
    if due_epoch > clock.now_epoch():
        values["in_line"] = int(LinePlace.OUTSIDE)  # not held either
    if job["status"] in (JobStatus.FAILED, JobStatus.TIMED_OUT):
        values["next_retry_at"] = values["available_at"]
    row = frappe.qb.DocType(config.JOB)
    change = {"modified": clock.site_time(), "modified_by": frappe.session.user}
    query = update_query(config.JOB, change | values)
    condition = (row.name == job["name"]) & (row.status == job["status"]) & (row.attempt == job["attempt"])
    return values if sql.run_update(query.where(condition), job_store.LOCK_WAIT, by_name=True) else None


def wait_on(waits_for: Mapping[str, str], waited_for: str) -> int:
    """Let jobs wait for another parent, by job name, instead of `waited_for`. Returns how many. Does not commit."""
    return set_parents(
        {row["name"]: waits_for[row["name"]] for row in lock_waiting(list(waits_for), waited_for)}, WAITING
    )


def set_parents(waits_for: Mapping[str, str | None], statuses: Iterable[JobStatus]) -> int:
    """Write the parents for which jobs in these states wait, by job name, in one statement. Returns how many."""
    if not waits_for:
        return 0
    job = frappe.qb.DocType(config.JOB)
    parent = Case()
    for name, waited_for in waits_for.items():
        parent = parent.when(job.name == name, waited_for)
    query = frappe.qb.update(job).set(job.waits_for, parent).set(job.modified, clock.site_time())
    query = query.where(job.name.isin(list(waits_for)) & job.status.isin([str(status) for status in statuses]))
    return sql.run_update(query, job_store.LOCK_WAIT, by_name=True)


# Into the line ---------------------------------------------------------------------------------------------------


def enter_due(limit: int) -> list[DueRow]:
    """Put due jobs in line, the longest due of each state first. Returns those that got in. Does not commit."""
    now = clock.now_epoch()
    return [job for status in WAITING for job in enter_line([row["name"] for row in backlog.due(status, now, limit)])]


def enter_line(names: Sequence[str]) -> list[DueRow]:
    """Put jobs in line that are due and wait for no other one. Returns those that got in.

    Skips locked jobs. Does not commit.
    """
    now = clock.now_epoch()
    return enter_locked([row for row in lock_waiting(names, None) if row["due_epoch"] <= now])


def release(names: Sequence[str], waited_for: str) -> tuple[int, list[DueRow]]:
    """Release jobs that have waited for `waited_for`, and put the due ones in line. Does not commit.

    Returns how many were released, and those that are in line now."""
    rows, now = lock_waiting(names, waited_for), clock.now_epoch()
    if rows:
        job = frappe.qb.DocType(config.JOB)
        query = frappe.qb.update(job).set(job.waits_for, None).set(job.modified, clock.site_time())
        sql.run_update(query.where(job.name.isin([row["name"] for row in rows])), job_store.LOCK_WAIT, by_name=True)
    return len(rows), enter_locked([row for row in rows if row["due_epoch"] <= now])


def enter_locked(rows: Sequence[DueRow]) -> list[DueRow]:
    """Queue jobs that this transaction has locked."""
    now = clock.site_time()
    for status in sorted({row["status"] for row in rows}):
        some = [row for row in rows if row["status"] == status]
        names, values = [row["name"] for row in some], {"queued_at": now}
        # The actor is the engine, not the user who is logged in where it sweeps.
        job_store.guarded_update(
            names, JobStatus(status), JobStatus.QUEUED, values, config.ENGINE, now=now, lock_wait=job_store.LOCK_WAIT
        )
        message = new_rows.ENTERED if status == JobStatus.PENDING else ENTERED_AGAIN
        entered = [history.event_of(row, JobStatus(status), JobStatus.QUEUED, message, config.ENGINE) for row in some]
        history.write(entered, at=now)
        event_jobs.insert_for(some, JobStatus(status), JobStatus.QUEUED)
        events.announce(some, JobStatus(status), JobStatus.QUEUED, {})
    return list(rows)


DUE_FIELDS = fields_of(DueRow)


def lock_waiting(names: Sequence[str], waited_for: str | None, place: LinePlace = LinePlace.OUTSIDE) -> list[DueRow]:
    """Lock the jobs that still wait for `waited_for`, until the commit. Skips locked jobs.

    Reads by name: a locking read of another index would lock gaps in it too.
    """
    if not names:
        return []
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).force_index("PRIMARY").select(*(job[field] for field in DUE_FIELDS))
    query = query.for_update(skip_locked=True).where(job.name.isin(list(names)) & (job.in_line == place))
    query = query.where(job.waits_for == waited_for if waited_for else job.waits_for.isnull())
    query = query.where(job.status.isin([str(status) for status in WAITING]))
    found: dict[str, DueRow] = {row["name"]: row for row in sql.run_locking_read(query, DUE_FIELDS)}
    return [found[name] for name in names if name in found]


def may_be_rescheduled(job: JobRow) -> bool:
    """Whether a job waits for its first attempt, or was snoozed."""
    return job["status"] == JobStatus.PENDING or (job["status"] == JobStatus.QUEUED and not job["attempt"])


def waits_for_its_time(job: JobRow, now: float) -> bool:
    """Whether `run_now` would change anything for a job."""
    return job["status"] in WAITING and (job["due_epoch"] or 0) > now
