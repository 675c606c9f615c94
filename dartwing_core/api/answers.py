"""The answers of endpoints. `openapi` describes them; the tests compare each answer that they get with its model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, WithJsonSchema, create_model

Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time, as ISO 8601 with offset."""
Status = Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"]
BatchStatus = Literal["Running", "Completed", "Failed", "Canceled"]
Priority = Literal["Low", "Normal", "High", "Critical"]
Frequency = Literal["Cron", "Interval"]
Unit = Literal["Minutes", "Hours", "Days"]
OnParentFailure = Literal["cancel", "dead_letter", "run"]
Refusal = Literal["invalid", "wrong_state", "unauthorized", "forbidden", "not_found", "duplicate"]


class Answer(BaseModel, defer_build=True):  # only the description needs the schemas
    """What an endpoint returns, a dict with these keys. Later versions may add some."""


def _answer(name: str, base: type[Answer] = Answer, **fields: Any) -> type[Answer]:
    """A model of which no other is made."""
    required: dict[str, Any] = {field: (kind, ...) for field, kind in fields.items()}
    return create_model(name, __base__=base, **required)


Page = _answer("Page", total=int, limit=int, offset=int)


class Owned(Answer):
    organization: str
    organization_name: str
    owner_user: str


class Error(Answer):
    """The body of every error answer. `message` is for people, in their language."""

    error: Literal[Refusal, "rate_limited", "queue_full", "busy", "internal"]
    message: str
    exc_type: str


DuplicateError = _answer("DuplicateError", Error, existing_job_id=str | None, status=Status | None)
RateError = _answer("RateError", Error, retry_after=int)


# Jobs ----------------------------------------------------------------------------------------------------------------


class JobAndStatus(Answer):
    job_id: str
    status: Status


class Step(Answer):
    """A step of the attempt that its handler has named."""

    name: str
    state: Literal["done", "active", "pending"]


class ListedJob(JobAndStatus, Owned):
    """A job in a list.

    `reference_doctype` and `reference_name`: the document that it is about. `waiting_reason`: why it is not running
    yet. `cancel_requested`: whether it runs and was asked to stop. `output_url`: the file that is its outcome.
    `steps`: of a running job.
    """

    title: str | None
    tags: list[str]
    reference_doctype: str | None
    reference_name: str | None
    job_type: str
    priority: Priority
    progress: float
    progress_message: str | None
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
    """State, progress and outcome of a job. `result_is_hidden`: you may see the job, but not its result and files.

    `steps`: of the running attempt, or of the last one, until the job is in line again.
    """

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
    """All details of a job, and allowed operations. `files` are empty for those who may not see the result.

    `schema`: the JSON Schema of the parameters, if you may edit them and it is known.
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
    parameter_schema: dict[str, Any] | None = Field(alias="schema")
    can_delete: bool


# Batches, schedules and circuits -------------------------------------------------------------------------------------


class ListedBatch(BatchName, Owned):
    """A batch in a list; `size` is the number of jobs that were submitted with it."""

    size: int
    created_at: Moment
    completed_at: Moment | None
    cancel_requested: bool
    canceled_by: str | None
    on_complete_job: str | None
    on_success_job: str | None
    on_failure_job: str | None


class BatchStatusAnswer(ListedBatch):
    """A batch with its progress: the percentage of its jobs that have ended."""

    job_count_by_status: dict[Status, int]
    progress: float


class ListedSchedule(Owned):
    """A schedule in a list. `last_error`: why a due time got no job. `refusals`: due times without a job in a row."""

    schedule_id: str
    title: str
    enabled: bool
    frequency: Frequency
    cron: str | None
    every: int
    every_unit: Unit | None
    time_zone: str
    job_type: str
    priority: Priority | Literal[""] | None
    missed_runs: Literal["Skip", "Run Once", "Catch Up"]
    catch_up_limit: int
    next_run: Moment | None
    last_run: Moment | None
    last_job: str | None
    last_error: str | None
    last_error_at: Moment | None
    refusals: int


class CircuitName(Answer):
    circuit_id: str
    job_type: str
    organization: str
    organization_name: str


class OpenCircuit(CircuitName):
    """No such job starts until `open_until`. Then `probe_job` is tried. `failures` of `samples` attempts had failed."""

    status: Literal["Open", "Half Open"]
    opened_at: Moment
    open_until: Moment
    failures: int
    samples: int
    probe_job: str | None


class Holdup(Answer):
    """What keeps due jobs from starting. `link`: where that is changed in Desk, for users who may change it."""

    reason: str
    link: str | None


# Job Types and figures -----------------------------------------------------------------------------------------------


class TypeName(Answer):
    job_type: str
    display_name: str
    is_paused: bool
    parameter_schema: dict[str, Any] | None = Field(alias="schema")


class JobType(TypeName):
    """A Job Type. `schema`: the JSON Schema of the parameters, if it is known."""

    description: str
    priority: Priority
    timeout_seconds: int
    max_retries: int


class ProcessingTime(Answer):
    average_seconds: float | None
    p95_seconds: float | None


class TypeFigures(ProcessingTime):
    """`count`: jobs that have completed or failed in the last `hours`. Times are of completed jobs.

    `failure_rate` (0 to 1): the share of failed jobs among completed and failed ones. `dead_letter`: all that have
    failed.
    """

    running: int
    waiting: int
    retrying: int
    dead_letter: int
    count: int
    failure_rate: float | None
    hours: int


class DifferenceFromCode(Answer):
    """A field of a Job Type: its value on the site, and the one that code declares."""

    label: str
    here: str
    code: str


class JobTypeOverview(TypeName):
    """Figures of a type's jobs that you may see. `schema`: the JSON Schema of their parameters, if it is known."""

    can_run: bool
    can_change: bool
    differences_from_code: list[DifferenceFromCode]
    figures: TypeFigures
    circuits: list[OpenCircuit]
    recent: list[ListedJob]


class JobCounts(Answer):
    """Counts, each up to 10,000. `dead_letter`: all that have failed. `today`, `day_ago`: from when failures count."""

    running: int
    waiting: int
    retrying: int
    failed_today: int
    failed_in_24_hours: int
    dead_letter: int
    today: Moment
    day_ago: Moment


class Metrics(Answer):
    """Figures of the jobs that you may see. Times and failure rates (0 to 1) are of jobs that ended lately."""

    job_count_by_status: dict[Status, int]
    queue_depth_by_priority: dict[Priority, int]
    processing_time: ProcessingTime
    failure_rate_by_type: dict[str, float]
    processing_time_by_type: dict[str, float | None]
    p95_seconds_by_type: dict[str, float | None]
    timestamp: Moment


class SlowJob(Owned):
    job_id: str
    job_type: str
    completed_at: Moment
    seconds: float


# Answers of one endpoint ---------------------------------------------------------------------------------------------

Submitted = _answer("Submitted", JobAndStatus, message=str)
SubmittedJobs = _answer("SubmittedJobs", jobs=list[JobAndStatus], message=str)
DueAgain = _answer("DueAgain", Submitted, available_at=Moment, waiting_reason=str | None)
Deleted = _answer("Deleted", job_id=str, message=str)
BulkRetry = _answer("BulkRetry", retried=list[str], skipped=dict[str, str], left=int)
Bulk = _answer("Bulk", done=list[str], refused=dict[str, str])
CanceledAll = _answer("CanceledAll", canceled=int, stopping=int, left=int)
History = _answer("History", job_id=str, history=list[Event])
JobList = _answer("JobList", Page, jobs=list[ListedJob])
DeadLetters = _answer("DeadLetters", jobs=list[ListedJob])
ExecutionTimes = _answer(
    "ExecutionTimes", ProcessingTime, count=int, min_seconds=float | None, max_seconds=float | None
)
SlowJobs = _answer("SlowJobs", jobs=list[SlowJob])
JobTypes = _answer("JobTypes", job_types=list[JobType])
BatchIdAndStatus = _answer("BatchIdAndStatus", batch_id=str, status=BatchStatus, size=int, message=str)
BatchRetry = _answer("BatchRetry", batch_id=str, retried=int, skipped=dict[str, str])
BatchList = _answer("BatchList", Page, batches=list[ListedBatch])
ScheduleAnswer = _answer("ScheduleAnswer", ListedSchedule, parameters=dict[str, Any] | None, next_runs=list[Moment])
NextRuns = _answer("NextRuns", next_runs=list[Moment])
ScheduleList = _answer("ScheduleList", Page, schedules=list[ListedSchedule])
Holdups = _answer("Holdups", holdups=list[Holdup])
OpenCircuits = _answer("OpenCircuits", circuits=list[OpenCircuit])
ManuallyClosed = _answer("ManuallyClosed", CircuitName, status=Literal["Open", "Half Open", "Closed"], message=str)
