"""Inserts of Background Job, its status changes, and reads of single jobs. Reads of many are in `backlog`.

Three modules write the table beside it: `new_rows` inserts, `line/claim` makes a job Running, `waiting` sets times
and parents.

Every status change is one guarded UPDATE plus one log row (invariant I3). It happens only if the job still has the
status and attempt that the caller saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, TypeVar, cast

import frappe
from pypika.queries import QueryBuilder
from pypika.terms import Parameter

from ..access import content
from ..errors import InvalidTransitionError
from ..lib import clock, config, named_locks, priorities, sql
from ..lib.row_types import Columns, MovableJob
from ..lib.rows import update_query
from ..status import FINISHED, JobStatus, LinePlace, can_move
from . import event_jobs, events, history, job_owner, new_rows
from .history import LoggedJob
from .job_rows import ChildRow, HolderRow, JobRow, NewJobRow

REPLACEABLE = (
    *("modified", "modified_by", "sealed_input_parameters", "job_hash", "priority", "queue"),
    *("job_title", "reference_doctype", "reference_name", "job_tags"),
)
LOCK_WAIT = 2  # seconds, where jobs are put in line: that may be a web request


Child = TypeVar("Child", bound=ChildRow)


def insert_jobs(rows: Sequence[NewJobRow]) -> None:
    """Insert new jobs, as `new_rows.insert` does, and tell of them."""
    told = event_jobs.rows_for(rows, None, JobStatus.PENDING, rows[0]) if rows else []
    new_rows.insert([*rows, *told])
    event_jobs.ring_later(told)
    in_line = [row for row in rows if row["status"] == JobStatus.QUEUED]
    events.announce(in_line, JobStatus.PENDING, JobStatus.QUEUED, {})


def transition(
    job: MovableJob,
    to_status: JobStatus,
    message: str,
    *,
    values: Columns | None = None,
    actor: str | None = None,
    duration: float = 0,
    worker: str | None = None,
    lock_wait: int | None = None,
    unless_locked: str | None = None,
    log: list[history.Event] | None = None,
) -> bool:
    """Move one job from the state and attempt in `job` to `to_status`, with further column `values`.

    `job`: as the caller read it. Returns False, and writes nothing, if the job has left that state or attempt.
    `lock_wait`: seconds to wait for a lock on the row. `unless_locked`: a named lock that must be free.
    `log`: gets the event of the history, which is not written here then. Does not commit.
    """
    from_status = JobStatus(job["status"])
    if not can_move(from_status, to_status):
        raise InvalidTransitionError(f"A job can't go from {from_status} to {to_status}.")
    values = dict(values or {})
    actor = actor or frappe.session.user
    move = partial(guarded_update, [job["name"]], from_status, to_status, values, actor, attempt=job["attempt"])
    if not move(lock_wait=lock_wait, unless_locked=unless_locked):
        return False
    event_jobs.insert_for([job], from_status, to_status)
    events.announce([job], from_status, to_status, values)
    job_owner.notify_after_commit(job, to_status)
    retries = values.get("retry_count", job["retry_count"])
    more = {"retry_attempt": retries, "duration": duration, "worker": worker}
    event = history.event_of(job, from_status, to_status, message, actor, **more)
    if log is None:
        history.write([event])
    else:
        log.append(event)
    return True


def move_all(jobs: Sequence[Child], to_status: JobStatus, message: str, values: Columns, actor: str) -> list[Child]:
    """Move jobs that share one state, with further column `values`. Returns those that moved.

    The state is that of the first job. Skips locked jobs, jobs in another state by now, and those that wait for another
    job now. Does not commit.
    """
    free = lock_unchanged(jobs, JobStatus(jobs[0]["status"])) if jobs else []
    if not free:
        return []
    from_status = JobStatus(free[0]["status"])
    if not can_move(from_status, to_status):
        raise InvalidTransitionError(f"A job can't go from {from_status} to {to_status}.")
    guarded_update([job["name"] for job in free], from_status, to_status, values, actor)
    event_jobs.insert_for(free, from_status, to_status)
    events.announce(free, from_status, to_status, values)
    for job in free:
        job_owner.notify_after_commit(job, to_status)
    retries = {"retry_attempt": values["retry_count"]} if "retry_count" in values else {}
    history.write([history.event_of(job, from_status, to_status, message, actor, **retries) for job in free])
    return free


def replace_waiting(found: HolderRow, row: NewJobRow) -> bool:
    """Give a job the parameters and priority of a newer request. False if it has begun by now.

    Waits at most LOCK_WAIT seconds for the row. The error is then the database's.
    """
    job, status = frappe.qb.DocType(config.JOB), JobStatus(found["status"])
    is_unchanged = (job.status == str(status)) & (job.attempt == 0)
    query = update_query(config.JOB, replaceable(row))
    query = query.where((job.name == found["name"]) & is_unchanged)
    query = query.set(job.admission_rank, priorities.rank(job.due_epoch, row["priority"]))
    if not sql.run_update(query, LOCK_WAIT, by_name=True):
        return False
    text = "Parameters replaced by a newer request"
    replaced: LoggedJob = {
        "name": found["name"],
        "organization": row["organization"],
        "retry_count": row["retry_count"],
    }
    history.write([history.event_of(replaced, status, status, text, row["owner"])])
    return True


def replaceable(row: NewJobRow) -> Columns:
    """The columns that a newer request replaces."""
    columns: Columns = {**row}
    return {column: columns[column] for column in REPLACEABLE}


def is_current(name: str, attempt: int, lock_wait: int | None = None) -> bool:
    """Whether this attempt is still the running one. Locks the row until the transaction ends.

    `lock_wait`: seconds to wait for it; by default those of the server.
    """
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.name).for_update()
    query = query.where((job.name == name) & (job.status == str(JobStatus.RUNNING)) & (job.attempt == attempt))
    return bool(sql.run_locking_read(query, lock_wait=lock_wait))


def load(name: str, *fields: str) -> JobRow | None:
    """The job's fields, opened. Without `fields` all but the sealed ones. Raises SealError."""
    row = load_sealed(name, *fields)
    return content.opened(row) if row else None


def load_sealed(name: str, *fields: str) -> JobRow | None:
    """The columns of these fields as stored, for who opens them. Without `fields` all but the sealed ones.

    Avoids `frappe.db.get_value`: on Frappe 15 it parses column names for longer than the query takes.
    """
    rows = _one_query(name, content.columns(fields) or light_fields()).run(as_dict=True)
    return rows[0] if rows else None


def load_now(name: str) -> JobRow | None:
    """The job's light columns as committed right now, without this transaction's writes."""
    rows = sql.rows_outside_transaction(_one_query(name, light_fields()))
    return cast(JobRow, rows[0]) if rows else None


def load_locked(name: str) -> JobRow | None:
    """The job's light columns as committed right now or written by this transaction. Locks the row until it ends.

    Waits at most LOCK_WAIT seconds for the lock. The error is then the database's.
    """
    fields = light_fields()
    rows = sql.run_locking_read(_one_query(name, fields).for_update(), fields, LOCK_WAIT)
    return rows[0] if rows else None


def _one_query(name: str, fields: Sequence[str]) -> QueryBuilder:
    job = frappe.qb.DocType(config.JOB)
    return frappe.qb.from_(job).select(*(job[field] for field in fields)).where(job.name == name)


def load_whole(name: str) -> JobRow | None:
    """All columns of the job as stored."""
    rows = _one_query(name, _stored_columns()).run(as_dict=True)
    return rows[0] if rows else None


def light_fields() -> list[str]:
    """All columns of Background Job but the sealed ones, which may be large."""
    return [column for column in _stored_columns() if not column.startswith(content.PREFIX)]


def _stored_columns() -> list[str]:
    """The columns of the table. Frappe 15 counts fields without one among those of a DocType."""
    return [column for column in frappe.get_meta(config.JOB).get_valid_columns() if content.column(column) == column]


def guarded_update(
    names: Sequence[str],
    from_status: JobStatus,
    to_status: JobStatus,
    values: Columns,
    actor: str,
    *,
    attempt: int | None = None,
    now: datetime | None = None,
    lock_wait: int | None = None,
    unless_locked: str | None = None,
) -> int:
    """Issue UPDATE … WHERE status (and attempt) are what the caller saw. Returns the number of changed rows.

    A job that ends for good gets its `completed_at` here, however it ends.
    """
    now = now or clock.site_time()
    place = LinePlace.IN_LINE if to_status == JobStatus.QUEUED else LinePlace.OUTSIDE
    columns = {"status": str(to_status), "modified": now, "modified_by": actor, "in_line": int(place)}
    columns |= content.sealed({"completed_at": now, **values} if to_status in FINISHED else values)
    guards: dict[str, Any] = {"name": names[0], "from_status": str(from_status)}
    if attempt is not None:
        guards["from_attempt"] = attempt
    if unless_locked is not None and frappe.db.db_type == "mariadb":
        guards["lock_name"] = named_locks.lock_name(unless_locked)
    if len(names) > 1:
        query = _update_query(columns, {**guards, "name": list(names)})
        return sql.run_update(query, lock_wait, by_name=True)
    text = _update_text(frappe.db.db_type, tuple(columns), tuple(guards))
    return sql.execute_as_of_now(text, {**columns, **guards}, lock_wait)


@lru_cache(maxsize=64)
def _update_text(_db_type: str, columns: tuple[str, ...], guards: tuple[str, ...]) -> str:
    """The text of `_update_query` of one job, which takes longer to make than to run."""
    values, conditions = ({name: Parameter(f"%({name})s") for name in names} for names in (columns, guards))
    return sql.force_primary(_update_query(values, conditions).get_sql())


def _update_query(columns: Columns, guards: Columns) -> QueryBuilder:
    job = frappe.qb.DocType(config.JOB)
    names = guards["name"]
    query = update_query(config.JOB, columns)
    query = query.where(job.name.isin(names) if isinstance(names, list) else job.name == names)
    query = query.where(job.status == guards["from_status"])
    if "from_attempt" in guards:
        query = query.where(job.attempt == guards["from_attempt"])
    if "lock_name" in guards:
        query = query.where(named_locks.is_free(guards["lock_name"], job.creation))
    return query


def lock_finished(names: Sequence[str]) -> dict[str, str]:
    """Lock the finished ones of these jobs until the commit. Skips locked ones. Returns their states by name."""
    return dict(_lock(names, FINISHED, "status"))


def lock_unchanged(jobs: Sequence[Child], status: JobStatus) -> list[Child]:
    """Lock the jobs that are as the caller saw them, until the commit. Skips locked jobs."""
    locked = _lock([row["name"] for row in jobs], [status], "attempt", "waits_for")
    free = {name: tuple(seen) for name, *seen in locked}
    return [row for row in jobs if free.get(row["name"]) == (row["attempt"], row.get("waits_for"))]


def _lock(names: Sequence[str], statuses: Iterable[JobStatus], *fields: str) -> Sequence[Any]:
    """Lock those of these jobs that are in these states, by name and without a wait. Returns their names and fields."""
    if not names:
        return []
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).force_index("PRIMARY").select(job.name, *(job[field] for field in fields))
    query = query.where(job.name.isin([*names]) & job.status.isin([str(status) for status in statuses]))
    return cast(Sequence[Any], sql.run_locking_read(query.for_update(skip_locked=True)))
