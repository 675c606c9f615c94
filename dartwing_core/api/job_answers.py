"""The answers of endpoints about jobs, and about the Job Type of some."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .answers import Answer, BatchStatus, Moment, OnParentFailure, OpenCircuit, Page, Priority, Status


class JobAndStatus(Answer):
    job_id: str
    status: Status


class Submitted(JobAndStatus):
    """A job that was submitted, canceled or queued again."""

    message: str


class SubmittedJobs(Answer):
    """Jobs in the order of the request."""

    jobs: list[JobAndStatus]
    message: str


class DueAgain(Submitted):
    """A job with another due time. `waiting_reason`: why the job still waits."""

    available_at: Moment
    waiting_reason: str | None


class Event(Answer):
    """One change of a job's status. `retry_attempt`: the retries so far. `worker`: only for System Managers."""

    from_status: Status | None
    to_status: Status
    timestamp: Moment
    actor: str
    message: str | None
    retry_attempt: int
    duration: float | None
    worker: str | None


class History(Answer):
    """Status changes of a job, oldest first."""

    job_id: str
    history: list[Event]


class Step(Answer):
    """A step of a running job that its handler has named."""

    name: str
    state: Literal["done", "active", "pending"]


class ListedJob(Answer):
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


class JobList(Page):
    """One page. `total`: the number of matching jobs, up to 10,000."""

    jobs: list[ListedJob]


class DeadLetters(Answer):
    jobs: list[ListedJob]


class JobStatusAnswer(ListedJob):
    """State, progress and outcome of a job. `result_is_hidden`: you may see the job, but not its result and files."""

    canceled_at: Moment | None
    canceled_by: str | None
    cancel_reason: str | None
    result: Any
    depends_on: str | None
    parents: list[str]
    on_parent_failure: OnParentFailure | None
    key: str | None
    schedule: str | None
    parent_batch: str | None
    result_is_hidden: bool


class Relative(Answer):
    """Another job. Type and status are null if you may not see the job, or if it is deleted."""

    job_id: str
    job_type: str | None
    status: Status | None


class Relatives(Answer):
    """The jobs that this one depends on, and those that depend on it."""

    parents: list[Relative]
    children: list[Relative]
    has_more_children: bool


class LogLine(Answer):
    """A line that a handler has logged."""

    logged_at: Moment
    level: Literal["debug", "info", "warning", "error"]
    text: str


class Attempt(Answer):
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


class BatchName(Answer):
    batch_id: str
    description: str | None
    status: BatchStatus


class File(Answer):
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


class Bulk(Answer):
    """`done`: jobs that were changed. `refused`: the reason for each of the others."""

    done: list[str]
    refused: dict[str, str]


class RetriedByError(Bulk):
    """`left`: the number of further jobs with these errors."""

    left: int


class BulkRetry(Answer):
    """`retried`: ids of jobs. `skipped`: the reason for each of the others."""

    retried: list[str]
    skipped: dict[str, str]


class Deleted(Answer):
    job_id: str
    message: str


class TypeFigures(Answer):
    """`count`: ended jobs among those submitted in the last `hours`. Times are of completed jobs.

    `failure_rate` (0 to 1): the share of failed jobs among completed and failed ones. Jobs that await a retry count as
    failed.
    """

    running: int
    waiting: int
    dead_letter: int
    count: int
    failure_rate: float | None
    average_seconds: float | None
    p95_seconds: float | None
    hours: int


class DifferenceFromCode(Answer):
    """A field of a Job Type: its value on the site, and the one that code declares."""

    label: str
    here: str
    code: str


class JobTypeOverview(Answer):
    """Figures of a type's jobs that you may see. `schema`: the JSON Schema of their parameters, if it is known."""

    job_type: str
    display_name: str
    is_paused: bool
    can_run: bool
    can_change: bool
    differences_from_code: list[DifferenceFromCode]
    parameter_schema: dict[str, Any] | None = Field(alias="schema")
    figures: TypeFigures
    circuits: list[OpenCircuit]
    recent: list[ListedJob]
