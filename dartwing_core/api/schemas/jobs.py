"""Arguments and answers about single jobs."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from .batches import BatchStatus
from .common import Deduplication, Event, Moment, OnParentFailure, Priority, Status, Submitted


class Reference(TypedDict):
    """A document that a job is about."""

    doctype: str
    name: str


class JobRequest(TypedDict, total=False):
    """The arguments of submit_job, and a `key`, by which `depends_on` of others may name the job."""

    job_type: str
    organization: str
    parameters: dict[str, Any] | None
    priority: Priority | None
    depends_on: str | list[str] | None
    available_at: str | float | None
    dedup_key: str | None
    on_duplicate: Literal["raise", "return", "replace"]
    on_parent_failure: OnParentFailure
    deduplication: Deduplication | None
    timeout: int | None
    max_retries: int | None
    title: str | None
    reference: Reference | None
    tags: list[str] | None
    key: str | None


class JobAndStatus(TypedDict):
    job_id: str
    status: Status


class SubmittedJobs(TypedDict):
    """Jobs in the order of the request."""

    jobs: list[JobAndStatus]
    message: str


class DueAgain(Submitted):
    """A job with another due time. `waiting_reason`: why the job still waits."""

    available_at: Moment
    waiting_reason: str | None


class Step(TypedDict):
    """A step of a running job that its handler has named."""

    name: str
    state: Literal["done", "active", "pending"]


class ListedJob(TypedDict):
    """A job in a list. Times are ISO 8601 with offset.

    `title`: a name that tells the job from others of its type. `reference_doctype` and `reference_name`: the document
    that it is about. `waiting_reason`: why the job is not running yet. `cancel_requested`: whether the running job was
    asked to stop. `output_url`: the address on this site of the file that is the job's outcome.
    """

    job_id: str
    title: str | None
    tags: list[str]
    reference_doctype: str | None
    reference_name: str | None
    job_type: str
    organization: str
    organization_name: str
    status: Status
    priority: Priority
    progress: float
    progress_message: str | None
    owner_user: str
    attempt: int
    created_at: Moment
    available_at: Moment | None
    started_at: Moment | None
    completed_at: Moment | None
    retry_count: int
    max_retries: int
    next_retry_at: Moment | None
    output_reference: str | None
    error_message: str | None
    error_type: Literal["Transient", "Permanent"] | None
    steps: list[Step]
    waiting_reason: str | None
    cancel_requested: bool
    can_cancel: bool
    can_retry: bool
    can_reschedule: bool
    can_run_now: bool
    output_url: str | None


class JobStatusAnswer(ListedJob):
    """State, progress and outcome of a job. `result_is_hidden`: you may see the job, but not its result and files."""

    canceled_at: Moment | None
    canceled_by: str | None
    cancel_reason: str | None
    result: Any
    depends_on: str | None
    parents: list[str]
    on_parent_failure: Literal["cancel", "dead_letter", "run"] | None
    key: str | None
    schedule: str | None
    parent_batch: str | None
    result_is_hidden: bool


class JobList(TypedDict):
    """One page. `total`: the number of matching jobs, up to 10,000."""

    jobs: list[ListedJob]
    total: int
    limit: int
    offset: int


class History(TypedDict):
    """Status changes of a job, oldest first."""

    job_id: str
    history: list[Event]


class Relative(TypedDict):
    """Another job. Type and status are null if you may not see the job, or if it is deleted."""

    job_id: str
    job_type: str | None
    status: Status | None


class Relatives(TypedDict):
    """The jobs that this one depends on, and those that depend on it."""

    parents: list[Relative]
    children: list[Relative]
    has_more_children: bool


class LogLine(TypedDict):
    """A line that a handler has logged."""

    logged_at: Moment
    level: Literal["debug", "info", "warning", "error"]
    text: str


class Attempt(TypedDict):
    """One attempt of a job. `outcome`: the status with which it ended. `traceback` is only for administrators, `worker`
    only for System Managers. `parameters`: those it ran with, if the job was retried with others since, else null.
    """

    attempt: int
    outcome: Status | None
    worker: str | None
    started_at: Moment | None
    ended_at: Moment | None
    duration: float | None
    error_message: str | None
    traceback: str | None
    log: list[LogLine]
    parameters: Any


class BatchName(TypedDict):
    batch_id: str
    description: str | None
    status: BatchStatus


class File(TypedDict):
    """A file that a job has made. `size`: bytes. `type`: the MIME type. `file_url`: its address on this site."""

    name: str
    size: int
    type: str
    file_url: str


class JobDetails(JobStatusAnswer):
    """All details of a job, for a page that shows it, and allowed operations. `files` are empty for those who may not
    see the result.
    """

    queue: str | None
    callback_of: str | None
    parameters: Any
    files: list[File]
    attempts: list[Attempt]
    relatives: Relatives
    batch: BatchName | None
    history: list[Event]
    can_edit: bool
    can_delete: bool
