"""The answers of endpoints. `openapi` describes them; the tests compare each answer that they get with its model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time, as ISO 8601 with offset."""
Status = Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"]
BatchStatus = Literal["Running", "Completed", "Failed", "Canceled"]
Priority = Literal["Low", "Normal", "High", "Critical"]
Frequency = Literal["Cron", "Interval"]
Unit = Literal["Minutes", "Hours", "Days"]
OnParentFailure = Literal["cancel", "dead_letter", "run"]


class Answer(BaseModel):
    """What an endpoint returns, a dict with these keys. Later versions may add some."""

    model_config = ConfigDict(defer_build=True)  # only the description needs the schemas


class Page(Answer):
    """Rows of a list, newest first. `total`: the number of all matching rows, up to 10,000."""

    total: int
    limit: int
    offset: int


class Error(Answer):
    """The body of every error answer. `message` is for people, in their language."""

    error: Literal[
        "invalid",
        "wrong_state",
        "unauthorized",
        "forbidden",
        "not_found",
        "duplicate",
        "rate_limited",
        "queue_full",
        "busy",
        "internal",
    ]
    message: str
    exc_type: str


class DuplicateError(Error):
    """Names the equal job. Both fields are null if you may not see it."""

    existing_job_id: str | None
    status: Status | None


class RateError(Error):
    """`retry_after`: seconds, as in the header Retry-After."""

    retry_after: int


class BatchIdAndStatus(Answer):
    """A batch that was submitted or is being canceled."""

    batch_id: str
    status: BatchStatus
    size: int
    message: str


class ListedBatch(Answer):
    """A batch in a list; `size` is the number of jobs that were submitted with it."""

    batch_id: str
    organization: str
    organization_name: str
    owner_user: str
    description: str | None
    status: BatchStatus
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


class BatchList(Page):
    """One page. `total`: the number of matching batches, up to 10,000."""

    batches: list[ListedBatch]


class BatchRetry(Answer):
    """`retried`: the number of jobs. `skipped`: the reason for each of the others."""

    batch_id: str
    retried: int
    skipped: dict[str, str]


class ListedSchedule(Answer):
    """A schedule in a list. `last_error`: why a due time got no job. `refusals`: due times without a job in a row."""

    schedule_id: str
    title: str
    organization: str
    organization_name: str
    owner_user: str
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


class ScheduleAnswer(ListedSchedule):
    """A schedule with its next due times, by its own time zone."""

    parameters: dict[str, Any] | None
    next_runs: list[Moment]


class ScheduleList(Page):
    """One page. `total`: the number of matching schedules, up to 10,000."""

    schedules: list[ListedSchedule]


class NextRuns(Answer):
    next_runs: list[Moment]


class OpenCircuit(Answer):
    """Jobs of this type and organization do not start until `open_until`. Then one of them, `probe_job`, is tried.

    When the circuit opened, `failures` of `samples` attempts had failed.
    """

    circuit_id: str
    job_type: str
    organization: str
    organization_name: str
    status: Literal["Open", "Half Open"]
    opened_at: Moment
    open_until: Moment
    failures: int
    samples: int
    probe_job: str | None


class OpenCircuits(Answer):
    circuits: list[OpenCircuit]


class ManuallyClosed(Answer):
    """A circuit that was closed."""

    circuit_id: str
    job_type: str
    organization: str
    organization_name: str
    status: Literal["Open", "Half Open", "Closed"]
    message: str


class JobCounts(Answer):
    """Counts, each up to 10,000. `today` and `day_ago`: the moments from which failures count."""

    running: int
    waiting: int
    failed_today: int
    failed_in_24_hours: int
    dead_letter: int
    today: Moment
    day_ago: Moment


class JobType(Answer):
    """A Job Type. `schema`: the JSON Schema of the parameters, if it is known."""

    job_type: str
    display_name: str
    description: str
    parameter_schema: dict[str, Any] | None = Field(alias="schema")
    priority: Priority
    timeout_seconds: int
    max_retries: int
    is_paused: bool


class JobTypes(Answer):
    job_types: list[JobType]


class ProcessingTime(Answer):
    average_seconds: float | None
    p95_seconds: float | None


class Metrics(Answer):
    """Figures of the jobs that you may see. Times and failure rates (0 to 1) are of jobs of the last hours."""

    job_count_by_status: dict[Status, int]
    queue_depth_by_priority: dict[Priority, int]
    processing_time: ProcessingTime
    failure_rate_by_type: dict[str, float]
    processing_time_by_type: dict[str, float | None]
    p95_seconds_by_type: dict[str, float | None]
    timestamp: Moment


class ExecutionTimes(ProcessingTime):
    count: int
    min_seconds: float | None
    max_seconds: float | None


class SlowJob(Answer):
    job_id: str
    job_type: str
    organization: str
    organization_name: str
    owner_user: str
    completed_at: Moment
    seconds: float


class SlowJobs(Answer):
    jobs: list[SlowJob]
