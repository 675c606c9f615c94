"""Rows of jobs: their types, and the columns of a new one. The one place that makes a new job's row.

A row is the driver's dict, so its type costs nothing. The keys of the type are the columns of the select (`fields_of`).
A function takes the smallest type that suffices. Rows with more columns fit as well.

A job waits for its due time, for another job (`waits_for`), or for a place under its organization's waiting cap (held).
Once it waits for nothing it is in line: Queued, and the next free worker may claim it. `in_line` tells all three apart
(`status.LinePlace`). So each query of workers and sweeper is one range of an index, however many jobs wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, TypeVar, cast

from ..status import WAITING, JobStatus, LinePlace
from . import clock, ids
from .sql import standard_columns

Columns = dict[str, Any]
"""Columns to write, with their values."""
Row = TypeVar("Row", bound=Mapping[str, Any])


def fields_of(row_type: Any, *leaving_out: str) -> tuple[str, ...]:
    """The columns of a row of this type, for its select."""
    return tuple(field for field in row_type.__annotations__ if field not in leaving_out)


def changed(row: Row, columns: Columns) -> Row:
    """The row as it is once these columns are written."""
    return cast(Row, {**row, **columns})


class AttemptKey(TypedDict):
    """The key of an attempt: its job and number."""

    name: str
    attempt: int


class TypeAndOrganization(TypedDict):
    """The key of a circuit: its Job Type and organization."""

    job_type: str
    organization: str


class OwnedJob(TypeAndOrganization):
    """A job and its owner, for events and notices."""

    name: str
    owner_user: str


class RungJob(AttemptKey):
    """A job for which workers are woken."""

    queue: str
    timeout_seconds: int


class MovableJob(OwnedJob):
    """The columns that a change of a job's status needs."""

    status: str
    attempt: int
    retry_count: int


class WaitingRow(MovableJob):
    """A job that waits: for its time, for another job, or for a worker."""

    queue: str
    priority: str
    timeout_seconds: int
    due_epoch: float
    waits_for: str | None
    on_parent_failure: str | None
    parent_batch: str | None


class ChildRow(WaitingRow):
    """A job that depends on `parent` (`find.other_children`), or waits next for `next_parent` (`find.children`)."""

    parent: str
    next_parent: str | None


class MemberRow(WaitingRow):
    """A member of a batch."""

    dedup_hash: str | None
    active_key: str | None


class DoubtfulRow(WaitingRow):
    """A running attempt that may have to be ended, with columns of its run row: None while it is too young for one."""

    started_at: datetime | None
    started_epoch: float | None
    crash_count: int
    unfound_since_epoch: float
    max_retries: int
    rq_job_id: str | None
    lease_expires_epoch: float | None
    cancel_requested: int | None
    cancel_requested_epoch: float
    """The time of the request, set with `cancel_requested`."""
    canceled_by: str | None
    cancel_reason: str | None
    worker: str | None
    connection_id: int | None
    database_epoch: float
    """The database's time of the read: the clocks of the machines may differ."""


class NewJobRow(WaitingRow):
    """A job to be inserted, with all of these columns in the order of `new_job`."""

    creation: datetime
    modified: datetime
    owner: str
    modified_by: str
    docstatus: int
    idx: int
    created_at: datetime
    job_key: str | None
    job_title: str | None
    reference_doctype: str | None
    reference_name: str | None
    job_tags: str | None
    callback_of: str | None
    depends_on: str | None
    sealed_input_parameters: str
    job_hash: str
    dedup_hash: str | None
    active_key: str | None
    dedup_until: datetime | None
    dedup_until_epoch: float
    max_retries: int
    crash_count: int
    progress: float
    is_result_private: int
    available_at: datetime
    admission_rank: float
    queued_at: datetime | None
    in_line: int
    schedule_run: str | None


class JobRow(NewJobRow):
    """All columns of a job. A read gets those that it names, by default all but the sealed ones."""

    version: int
    progress_message: str | None
    error_type: str | None
    error_message: str | None
    started_at: datetime | None
    completed_at: datetime | None
    next_retry_at: datetime | None
    canceled_at: datetime | None
    canceled_by: str | None
    started_epoch: float | None
    unfound_since_epoch: float
    """`Outcome.unfound_since` of its last attempt."""
    connection_id: int | None
    rq_job_id: str | None
    input_parameters: str | None
    result: str | None
    output_reference: str | None
    cancel_reason: str | None


class HolderRow(TypedDict):
    """The job that holds a content (`submit/dedup`)."""

    name: str
    active_key: str
    status: str
    owner_user: str
    organization: str
    due_epoch: float
    dedup_until_epoch: float


# A new job -----------------------------------------------------------------------------------------------------------


_OF_ALL_NEW = dict.fromkeys(fields_of(NewJobRow)) | dict.fromkeys(
    ("attempt", "retry_count", "crash_count", "progress", "is_result_private", "dedup_until_epoch"), 0
)


def new_job(
    owner: str, organization: str, priority: str, due: float | None = None, at: datetime | None = None, **columns: Any
) -> NewJobRow:
    """The row of a new job, which is in line at once if it is due. `due`: in seconds since 1970, now by default.

    `at`: now by the site's clock. Jobs that are made at once share it, so that their INSERT sends it once. `columns`:
    those that differ from job to job.
    """
    at = at or clock.site_time()
    row = {
        **_OF_ALL_NEW,
        **standard_columns(ids.new_name("JOB"), owner, at),
        **columns,
        "organization": organization,
        "owner_user": owner,
        "priority": priority,
        "created_at": at,
        **place_columns(clock.now_epoch() if due is None else due, priority, at=at),
    }
    return cast(NewJobRow, row)


def make_run_of_schedule(row: NewJobRow, due: float, run: str) -> None:
    """Make a new job the run `run` of a schedule, due at this time. It is no duplicate of any other job."""
    _write(row, {**place_columns(due, row["priority"]), "schedule_run": run})
    _write(row, {**dict.fromkeys(("dedup_hash", "active_key", "dedup_until")), "dedup_until_epoch": 0})


def let_wait(row: NewJobRow, parents: Sequence[str], unfinished: Sequence[str]) -> None:
    """Let a new job depend on `parents`, and wait for the youngest of those that are `unfinished`."""
    row["depends_on"] = next(iter(parents), None)
    if not parents:
        row["on_parent_failure"] = None
    if unfinished:
        _write(row, {**_not_in_line(LinePlace.OUTSIDE), "waits_for": max(unfinished)})


def hold(row: NewJobRow) -> None:
    """Hold a new job that would be in line now: its organization is at its waiting cap."""
    _write(row, _not_in_line(LinePlace.HELD))


def _not_in_line(place: LinePlace) -> Columns:
    return {"status": str(JobStatus.PENDING), "queued_at": None, "in_line": int(place)}


def _write(row: NewJobRow, columns: Columns) -> None:
    row.update(cast(NewJobRow, columns))


# The place of a job --------------------------------------------------------------------------------------------------


def place_columns(due_epoch: float, priority: str, waits_for: str | None = None, at: datetime | None = None) -> Columns:
    """The place of a job that is new or begins anew. It is in line at once if it waits for nothing.

    `at`: now by the site's clock.
    """
    is_in_line = not waits_for and due_epoch <= clock.now_epoch()
    queued_at = at or clock.site_time() if is_in_line else None
    return {
        **due_columns(due_epoch, priority, at if is_in_line else None),
        "status": str(JobStatus.QUEUED if is_in_line else JobStatus.PENDING),
        "queued_at": queued_at,
        "waits_for": waits_for,
        "in_line": int(LinePlace.IN_LINE if is_in_line else LinePlace.OUTSIDE),
    }


def due_columns(epoch: float, priority: str, at: datetime | None = None) -> Columns:
    """A due time, and the rank in line from then on. `at`: that time by the site's clock, if it is known."""
    return {"available_at": at or clock.site_time(epoch), "due_epoch": epoch, "admission_rank": rank(epoch, priority)}


def may_be_rescheduled(job: JobRow) -> bool:
    """Whether a job waits for its first attempt, or was snoozed."""
    return job["status"] == JobStatus.PENDING or (job["status"] == JobStatus.QUEUED and not job["attempt"])


def waits_for_its_time(job: JobRow, now: float) -> bool:
    """Whether `run_now` would change anything for a job."""
    return job["status"] in WAITING and (job["due_epoch"] or 0) > now


# Priorities: which queue a job takes, and how far ahead of others it starts -------------------------------------------


PRIORITIES = ("Low", "Normal", "High", "Critical")
QUEUE_OF_PRIORITY = {"Critical": "short", "High": "short", "Normal": "default", "Low": "long"}
"""The queue of a job whose Job Type names none."""
HEAD_START_SECONDS = {"Critical": 86_400, "High": 3_600, "Normal": 0, "Low": -3_600}
"""Seconds by which a priority is ahead of a Normal job of the same organization that is due then.

Low waits longer, but not for ever.
"""
HEAD_START_TURNS = {"Critical": 8.0, "High": 2.0, "Normal": 0.0, "Low": -2.0}
"""Turns by which a priority is ahead of Normal jobs of other organizations."""


def rank(due_epoch: float, priority: str) -> float:
    """The rank of a job in its organization's line. The lowest is next."""
    return due_epoch - HEAD_START_SECONDS[priority]
