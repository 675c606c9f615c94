"""All writes to the Background Job table, and the reads of single jobs; those of many are in `backlog`.

Every status change is one guarded UPDATE plus one log row (invariant I3): it happens only if the job is still
in the state, and at the attempt, that the caller saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import frappe

from . import circuits, clock, config, events, history, notifications, sql, tenancy
from .errors import InvalidTransitionError
from .status import JobStatus, can_move

# Parameters and results can be large: only who needs them reads them.
HEAVY_FIELDS = ("input_parameters", "result")
REPLACEABLE = ("modified", "modified_by", "input_parameters", "job_hash", "priority", "queue")
SAVEPOINT = "dartwing_core_insert"
INSERT_BYTES, ROW_BYTES = 4_000_000, 1_000  # max_allowed_packet is 16 MB by default
LOCK_WAIT = 2  # seconds, for a dispatch: it may run inside a web request
RUN_FIELDS = (
    "name",
    "organization",
    "owner_user",
    "job_type",
    "status",
    "attempt",
    "retry_count",
    "max_retries",
    "crash_count",
    "timeout_seconds",
    "started_at",
    "depends_on",
    "parent_batch",
    "callback_of",
    "priority",
    "queue",
    "is_result_private",
    "input_parameters",
)


def insert_jobs(rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert new jobs, which share their columns, in one statement, and their first log rows in another.

    In several statements where one would be larger than a server takes. A taken `active_key` comes out as the driver's
    IntegrityError; nothing is inserted then.
    """
    batches = list(_by_size(rows))
    if len(batches) > 1:
        frappe.db.savepoint(SAVEPOINT)
    try:
        for batch in batches:
            sql.insert(config.JOB, list(rows[0]), [tuple(row.values()) for row in batch])
    except Exception as error:
        if len(batches) > 1 and frappe.db.is_duplicate_entry(error):
            frappe.db.rollback(save_point=SAVEPOINT)
        raise
    for batch in batches:
        history.write([history.event_of(row, None, JobStatus.PENDING, "Job created", row["owner"]) for row in batch])


def _by_size(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The rows in batches of about INSERT_BYTES."""
    batch: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        size += len(row["input_parameters"]) + ROW_BYTES
        if batch and size > INSERT_BYTES:
            yield batch
            batch, size = [], len(row["input_parameters"]) + ROW_BYTES
        batch.append(row)
    if batch:
        yield batch


def transition(
    job: Mapping[str, Any],
    to_status: JobStatus,
    message: str,
    *,
    values: Mapping[str, Any] | None = None,
    actor: str | None = None,
    duration: float = 0,
    worker: str | None = None,
    lock_wait: int | None = None,
    unless_locked: str | None = None,
) -> bool:
    """Move one job from the state and attempt in `job` to `to_status`, with further column `values`.

    `job` holds name, organization, status, attempt and retry_count as the caller read them. Returns False,
    and writes nothing, if the job is not there any more: somebody else was first, or this attempt is an old one.
    `lock_wait`: seconds to wait for somebody who holds the row. `unless_locked`: a named lock that nobody may hold.
    Does not commit.
    """
    from_status = JobStatus(job["status"])
    if not can_move(from_status, to_status):
        raise InvalidTransitionError(f"A job can't go from {from_status} to {to_status}.")
    values = dict(values or {})
    actor = actor or frappe.session.user
    guards = {"attempt": job["attempt"], "lock_wait": lock_wait, "unless_locked": unless_locked}
    if not guarded_update([job["name"]], from_status, to_status, values, actor, **guards):
        return False
    events.announce([job], from_status, to_status, values)
    notifications.note(job, to_status, values)
    retries = values.get("retry_count", job["retry_count"])
    history.write(
        [
            history.event_of(
                job,
                from_status,
                to_status,
                message,
                actor,
                retry_attempt=retries,
                duration=duration,
                worker=worker,
            )
        ]
    )
    return True


def move_all(
    jobs: Sequence[Mapping[str, Any]], to_status: JobStatus, message: str, values: Mapping[str, Any], actor: str
) -> list[Mapping[str, Any]]:
    """Move jobs that are in one and the same state, with further column `values`; returns those that moved.

    Leaves out those that somebody holds or has changed meanwhile, also those that wait for another job now.
    Does not commit.
    """
    jobs = _free(jobs, JobStatus(jobs[0]["status"])) if jobs else []
    if not jobs:
        return []
    from_status = JobStatus(jobs[0]["status"])
    if not can_move(from_status, to_status):
        raise InvalidTransitionError(f"A job can't go from {from_status} to {to_status}.")
    guarded_update([job["name"] for job in jobs], from_status, to_status, values, actor)
    events.announce(jobs, from_status, to_status, values)
    for job in jobs:
        notifications.note(job, to_status, values)
    history.write([history.event_of({**job, **values}, from_status, to_status, message, actor) for job in jobs])
    return jobs


def replace_pending(found: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Give a job that is still Pending the parameters and priority of a newer request; False if it is not any more."""
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.update(job).where((job.name == found["name"]) & (job.status == str(JobStatus.PENDING)))
    for column in REPLACEABLE:
        query = query.set(job[column], row[column])
    query = query.set(job.admission_rank, job.due_epoch - config.HEAD_START[row["priority"]])
    if not sql.run_update(query):
        return False
    pending, text = JobStatus.PENDING, "Parameters replaced by a newer request"
    history.write([history.event_of({**row, "name": found["name"]}, pending, pending, text, row["owner"])])
    return True


def is_current(name: str, attempt: int) -> bool:
    """Whether this attempt is still the running one; keeps it so until the transaction ends."""
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.name).for_update()
    query = query.where((job.name == name) & (job.status == str(JobStatus.RUNNING)) & (job.attempt == attempt))
    return bool(sql.run_locking_read(query))


def load(name: str, *fields: str) -> dict | None:
    """The job's columns; without `fields` all but the heavy ones.

    By the query builder: `frappe.db.get_value` of Frappe 15 parses the name of each column, for longer than the query.
    """
    rows = _one_query(name, fields or light_fields()).run(as_dict=True)
    return rows[0] if rows else None


def load_now(name: str) -> dict | None:
    """The job's light columns as committed right now; without what this transaction has written."""
    rows = sql.rows_outside_transaction(_one_query(name, light_fields()))
    return rows[0] if rows else None


def _one_query(name: str, fields: Sequence[str]):
    job = frappe.qb.DocType(config.JOB)
    return frappe.qb.from_(job).select(*(job[field] for field in fields)).where(job.name == name)


def load_whole(name: str) -> dict | None:
    """All columns of the job."""
    return load(name, *frappe.get_meta(config.JOB).get_valid_columns())


def load_for_run(name: str) -> dict | None:
    """What an attempt needs, in one statement: job, type, circuit, owner and their standing, and a child if any."""
    job, user, job_type = (frappe.qb.DocType(doctype) for doctype in (config.JOB, "User", config.JOB_TYPE))
    children = (frappe.qb.DocType(config.JOB).as_("child"), frappe.qb.DocType(config.DEPENDENCY).as_("another"))
    child, another = (frappe.qb.from_(c).select(c.name).where(c.depends_on == job.name).limit(1) for c in children)
    query = (
        frappe.qb.from_(job)
        .left_join(user)
        .on(user.name == job.owner_user)
        .left_join(job_type)
        .on(job_type.name == job.job_type)
        .select(
            *(job[field] for field in RUN_FIELDS),
            job_type.handler_method,
            job_type.timeout_handler_method,
            job_type.requires_permission,
            user.enabled.as_("owner_enabled"),
            user.language.as_("owner_language"),
            user.time_zone.as_("owner_time_zone"),
            child.as_("first_child"),
            another.as_("another_child"),
        )
        .where(job.name == name)
    )
    rows = tenancy.with_standing(circuits.with_circuit(query), job).run(as_dict=True)
    return rows[0] if rows else None


def light_fields() -> list[str]:
    """All columns of Background Job but the heavy ones."""
    columns = frappe.get_meta(config.JOB).get_valid_columns()
    return [column for column in columns if column not in HEAVY_FIELDS]


def guarded_update(
    names: Sequence[str],
    from_status: JobStatus,
    to_status: JobStatus,
    values: Mapping[str, Any],
    actor: str,
    *,
    attempt: int | None = None,
    now: datetime | None = None,
    lock_wait: int | None = None,
    unless_locked: str | None = None,
) -> int:
    """UPDATE … WHERE status (and attempt) are what the caller saw; the number of rows it changed."""
    job = frappe.qb.DocType(config.JOB)
    now = now or clock.site_time()
    query = frappe.qb.update(job).set(job.status, str(to_status)).set(job.modified, now).set(job.modified_by, actor)
    for column, value in {"in_line": 0, **values}.items():  # who lines up again says so
        query = query.set(job[column], value)
    where = (job.name == names[0]) if len(names) == 1 else job.name.isin(list(names))
    query = query.where(where & (job.status == str(from_status)))
    if attempt is not None:
        query = query.where(job.attempt == attempt)
    if unless_locked is not None and frappe.db.db_type == "mariadb":
        query = query.where(sql.is_free(unless_locked, job.creation))
    return sql.run_update(query, lock_wait, by_name=True)


def _free(jobs: Sequence[Mapping[str, Any]], status: JobStatus) -> list[Mapping[str, Any]]:
    """Those of the jobs that are as the caller saw them and that nobody holds; they are ours until the commit."""
    if not jobs:
        return []
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).force_index("PRIMARY").select(job.name, job.attempt, job.waits_for)
    query = query.where(job.name.isin([row["name"] for row in jobs]) & (job.status == str(status)))
    free = {name: tuple(seen) for name, *seen in sql.run_locking_read(query.for_update(skip_locked=True))}
    return [row for row in jobs if free.get(row["name"]) == (row["attempt"], row.get("waits_for"))]
