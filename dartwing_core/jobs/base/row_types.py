"""Rows of the engine's tables as they are read: the columns of each select, with their types.

A row is the dict that the driver hands out, so these types cost nothing. Each names what is read together, and its keys
are the columns of the select. A function asks for the smallest type that will do; rows with more columns fit as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, TypeVar, cast

Columns = dict[str, Any]
"""Columns that are to be written, with their values."""
Row = TypeVar("Row", bound=Mapping[str, Any])


def fields_of(row_type: Any, *leaving_out: str) -> tuple[str, ...]:
    """The columns of a row of this type, for its select."""
    return tuple(field for field in row_type.__annotations__ if field not in leaving_out)


def changed(row: Row, columns: Columns) -> Row:
    """The row as it is once these columns are written."""
    return cast(Row, {**row, **columns})


# Background Job ------------------------------------------------------------------------------------------------------


class AttemptKey(TypedDict):
    """Which attempt of which job."""

    name: str
    attempt: int


class TypeAndOrganization(TypedDict):
    """Whose jobs a circuit holds."""

    job_type: str
    organization: str


class OwnedJob(TypeAndOrganization):
    """Whom the news of a job concern."""

    name: str
    owner_user: str


class LoggedJob(TypedDict):
    """What the history says of a job."""

    name: str
    organization: str
    retry_count: int


class MovableJob(OwnedJob):
    """What a change of a job's status asks of it."""

    status: str
    attempt: int
    retry_count: int


class RungJob(AttemptKey):
    """A job for which workers are woken."""

    queue: str
    timeout_seconds: int


class DispatchRow(MovableJob):
    """What workers are woken with, too."""

    queue: str
    priority: str
    timeout_seconds: int


class DueRow(DispatchRow):
    """A job that waits for nothing but its time."""

    due_epoch: float


class ChildRow(DispatchRow):
    """A job that may wait for another one, or belong to a batch."""

    waits_for: str | None
    on_parent_failure: str | None
    parent_batch: str | None


class ReleasedRow(ChildRow):
    """A job that has waited for one which is over."""

    next_parent: str | None
    """For which it has to wait next; None if for none."""


class ConcernedRow(ChildRow):
    """A job that depends on a given one, and waits for another."""

    parent: str


class MemberRow(ChildRow):
    """A member of a batch."""

    dedup_hash: str | None
    active_key: str | None


class RunningRow(DispatchRow):
    """A job that is running."""

    started_at: datetime | None
    started_epoch: float | None
    crash_count: int
    max_retries: int
    parent_batch: str | None
    rq_job_id: str | None


class LiveColumns(TypedDict):
    """What the run row of a running attempt says; None while the attempt is too young to have one."""

    lease_expires_epoch: float | None
    cancel_requested: int | None
    cancel_requested_epoch: float
    """Set with `cancel_requested`."""
    canceled_by: str | None
    cancel_reason: str | None
    worker: str | None


class DoubtfulRow(RunningRow, LiveColumns):
    """A running attempt that may have to be ended."""

    connection_id: int | None
    database_epoch: float
    """The database's time of the read: the clocks of the machines may differ."""


class DependentJob(TypedDict):
    """A job and one of those that it depends on."""

    name: str
    depends_on: str | None


class EndedJob(TypedDict):
    """Whom the end of a job concerns: its children and its batch."""

    name: str
    parent_batch: str | None


class EndingJob(TypedDict):
    """What becomes of an attempt depends on this."""

    priority: str
    retry_count: int
    max_retries: int
    crash_count: int


class QueuedRow(DispatchRow):
    """A job in line, with all that an attempt needs of it."""

    max_retries: int
    crash_count: int
    depends_on: str | None
    parent_batch: str | None
    callback_of: str | None
    is_result_private: int
    input_parameters: str | None


class ClaimedRow(QueuedRow):
    """The same once the attempt has begun."""

    started_at: datetime
    connection_id: int


class NewJobRow(ChildRow):
    """A job that is to be inserted; the columns that a statement writes are in this order or another."""

    creation: datetime
    modified: datetime
    owner: str
    modified_by: str
    docstatus: int
    idx: int
    created_at: datetime
    job_key: str | None
    callback_of: str | None
    depends_on: str | None
    input_parameters: str
    job_hash: str
    dedup_hash: str | None
    active_key: str | None
    dedup_until: datetime | None
    max_retries: int
    crash_count: int
    progress: float
    is_result_private: int
    available_at: datetime
    due_epoch: float
    admission_rank: float
    queued_at: datetime | None
    in_line: int


class HeavyColumns(TypedDict, total=False):
    """Columns that may be large: only who needs them reads them."""

    input_parameters: str | None
    result: str | None


class JobRow(ChildRow, HeavyColumns):
    """All columns of a job, without the heavy ones unless they are asked for.

    Where a read names its columns, there are only those.
    """

    creation: datetime
    modified: datetime
    owner: str
    modified_by: str
    progress: float | None
    progress_message: str | None
    output_reference: str | None
    is_result_private: int
    error_type: str | None
    error_message: str | None
    created_at: datetime
    available_at: datetime | None
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    next_retry_at: datetime | None
    canceled_at: datetime | None
    canceled_by: str | None
    max_retries: int
    crash_count: int
    depends_on: str | None
    job_key: str | None
    callback_of: str | None
    schedule_run: str | None
    job_hash: str | None
    dedup_hash: str | None
    dedup_until: datetime | None
    active_key: str | None
    due_epoch: float | None
    admission_rank: float
    in_line: int
    started_epoch: float | None
    connection_id: int | None
    rq_job_id: str | None


class DeduplicatedJob(TypedDict):
    """A job and its content (`submit/dedup`), if it is deduplicated."""

    name: str
    dedup_hash: str | None


class HolderRow(TypedDict):
    """The job that holds a content (`submit/dedup`)."""

    name: str
    active_key: str
    status: str
    owner_user: str
    organization: str
    dedup_until: datetime | None


class ParentRow(TypedDict):
    """A job that others depend on."""

    name: str
    status: str


class ExistingParent(ParentRow):
    """One that is there already when they are submitted."""

    organization: str
    owner_user: str


class AwaitedRow(TypedDict):
    """A job that others wait for."""

    name: str
    status: str | None
    """None if it is gone."""


class HeadRow(TypedDict):
    """A line of jobs: what they have in common, and the rank of the first."""

    in_line: int
    queue: str
    organization: str
    job_type: str
    priority: str
    rank: float


class SlotsRow(TypeAndOrganization):
    """How many jobs of a type and organization run."""

    number: int


# Background Job Run --------------------------------------------------------------------------------------------------


class ProgressColumns(TypedDict):
    """How far a job is: as its own row says it, or that of its attempt."""

    progress: float | None
    progress_message: str | None


class RunRow(ProgressColumns):
    """What a running attempt says."""

    background_job: str
    steps: str | None
    cancel_requested: int


class CancelRequest(TypedDict):
    """Who has asked an attempt to stop, or a batch."""

    cancel_requested: int
    canceled_by: str
    cancel_reason: str | None


class RunStart(TypedDict):
    """The columns of an attempt that are known when it begins."""

    background_job: str
    attempt: int
    worker: str
    rq_job_id: str
    connection_id: int
    started_at: datetime


# Job Execution Log ---------------------------------------------------------------------------------------------------


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


# Job Batch, Job Schedule, Job Circuit --------------------------------------------------------------------------------


class BatchRow(TypedDict):
    """A batch. Where a read names its columns, there are only those."""

    name: str
    organization: str
    owner_user: str
    description: str | None
    status: str
    size: int
    created_at: datetime
    completed_at: datetime | None
    cancel_requested: int
    canceled_by: str | None
    on_complete_job: str | None
    on_success_job: str | None
    on_failure_job: str | None


class BatchState(TypedDict):
    """What decides whether a running batch is over."""

    name: str
    cancel_requested: int
    canceled_by: str | None
    cancel_reason: str | None
    is_live: int | None
    """Whether a member is live."""
    has_failed: int | None
    """Whether a member has failed for good or was canceled."""
    awaits_failure: int
    """Whether a callback waits for that."""


class ScheduleState(TypedDict):
    """What the engine knows of a schedule; nobody else writes these."""

    next_run: datetime | None
    last_run: datetime | None
    last_job: str | None
    last_error: str | None
    last_error_at: datetime | None
    refusals: int | None
    next_run_epoch: float
    look_at_epoch: float
    anchor_epoch: float | None


class ScheduleTiming(TypedDict):
    """When the work of a schedule is to be done."""

    frequency: str
    cron: str | None
    every: int | None
    every_unit: str | None
    time_zone: str | None
    enabled: int


class ScheduleWork(TypedDict):
    """What a schedule has done."""

    job_type: str
    priority: str | None
    parameters: str | None


class ScheduleRow(ScheduleTiming, ScheduleWork, ScheduleState):
    """A schedule."""

    name: str
    title: str | None
    organization: str
    owner_user: str
    missed_runs: str
    catch_up_limit: int


class CircuitRow(TypeAndOrganization):
    """A circuit, as people see it."""

    name: str
    status: str
    opened_at: datetime | None
    open_until: datetime | None
    failures: int
    samples: int
    probe_job: str | None
    probe_attempt: int
