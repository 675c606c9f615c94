"""Rows of Background Job as they are read and inserted."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from ..lib.row_types import MovableJob


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
    """A job to be inserted, with all of these columns in the order of `columns.new_row`."""

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
    admission_rank: float
    queued_at: datetime | None
    in_line: int
    schedule_run: str | None


class JobRow(NewJobRow):
    """All columns of a job. A read gets those that it names, by default all but the sealed ones."""

    progress_message: str | None
    error_type: str | None
    error_message: str | None
    started_at: datetime | None
    completed_at: datetime | None
    next_retry_at: datetime | None
    canceled_at: datetime | None
    canceled_by: str | None
    started_epoch: float | None
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
    dedup_until: datetime | None
