"""Rows of Background Job as they are read and inserted."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from ..lib.row_types import MovableJob


class CandidateRow(MovableJob):
    """A job, with the columns for waking workers."""

    queue: str
    priority: str
    timeout_seconds: int


class DueRow(CandidateRow):
    """A job that waits for nothing but its time."""

    due_epoch: float


class ChildRow(CandidateRow):
    """A job that may wait for another one, or belong to a batch."""

    waits_for: str | None
    on_parent_failure: str | None
    parent_batch: str | None


class ReleasedRow(ChildRow):
    """A job that has waited for one which is over."""

    next_parent: str | None
    """The parent for which it waits next. None if there is none."""


class ConcernedRow(ChildRow):
    """A job that depends on a given one, and waits for another."""

    parent: str


class MemberRow(ChildRow):
    """A member of a batch."""

    dedup_hash: str | None
    active_key: str | None


class RunningRow(CandidateRow):
    """A job that is running."""

    started_at: datetime | None
    started_epoch: float | None
    crash_count: int
    max_retries: int
    parent_batch: str | None
    rq_job_id: str | None


class LiveColumns(TypedDict):
    """Columns of a running attempt's run row. None while the attempt is too young to have one."""

    lease_expires_epoch: float | None
    cancel_requested: int | None
    cancel_requested_epoch: float
    """The time of the request, set with `cancel_requested`."""
    canceled_by: str | None
    cancel_reason: str | None
    worker: str | None


class DoubtfulRow(RunningRow, LiveColumns):
    """A running attempt that may have to be ended."""

    connection_id: int | None
    database_epoch: float
    """The database's time of the read: the clocks of the machines may differ."""


class NewJobRow(ChildRow):
    """A job to be inserted. Statements may write the columns in another order."""

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
    max_retries: int
    crash_count: int
    progress: float
    is_result_private: int
    available_at: datetime
    due_epoch: float
    admission_rank: float
    queued_at: datetime | None
    in_line: int


class SealedFields(TypedDict, total=False):
    """The opened fields of a job that lie sealed. They are read only where they are needed."""

    input_parameters: str | None
    result: str | None
    output_reference: str | None
    cancel_reason: str | None


class JobRow(ChildRow, SealedFields):
    """All columns of a job, without the sealed ones unless they are asked for.

    A read that names its fields gets only those.
    """

    creation: datetime
    modified: datetime
    owner: str
    modified_by: str
    progress: float | None
    progress_message: str | None
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
    job_title: str | None
    reference_doctype: str | None
    reference_name: str | None
    job_tags: str | None
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


class HolderRow(TypedDict):
    """The job that holds a content (`submit/dedup`)."""

    name: str
    active_key: str
    status: str
    owner_user: str
    organization: str
    dedup_until: datetime | None


class AwaitedRow(TypedDict):
    """A job for which others wait."""

    name: str
    status: str | None
    """None if it is gone."""
