"""The arguments and answers of the REST API as types: `openapi` makes the description of them.

The text in an `Annotated` type is the argument's description.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

REQUIRED: Any = None
"""Default of an argument that has to be there: the engine refuses its absence with a message of ours."""

Status = Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"]
Priority = Literal["Low", "Normal", "High", "Critical"]

JobId = Annotated[str, "Id of a job, such as JOB-1K11R5XW3ZB0000ABCDE"]
JobTypeName = Annotated[str, "Name of a Job Type"]
OrganizationName = Annotated[str, "Id of an organization of yours, or its name as it is written there"]
AvailableAt = Annotated[str | float, "Not before this time (ISO 8601), or so many seconds from now"]
Parameters = Annotated[dict[str, Any], "What the handler gets: an object"]
Limit = Annotated[int, "At most so many; cut to what is allowed"]
Hours = Annotated[int, "Of jobs submitted in so many last hours"]

BatchStatus = Literal["Running", "Completed", "Failed", "Canceled"]
BatchId = Annotated[str, "Id of a batch, such as BATCH-1K11R5XW3ZB0000ABCDE"]
Callback = Annotated[
    dict[str, Any], "A job (job_type, parameters, priority) to be made then, with batch_id among its parameters"
]
OnParentFailure = Annotated[
    Literal["cancel", "dead_letter", "run"],
    "What becomes of the job if one that it depends on is canceled, fails for good or is deleted",
]


class Submitted(TypedDict):
    """A job that was submitted, canceled or queued again."""

    job_id: str
    status: Status
    message: str


class JobAndStatus(TypedDict):
    job_id: str
    status: Status


class SubmittedJobs(TypedDict):
    """Jobs in the order of the request."""

    jobs: list[JobAndStatus]
    message: str


class JobRequest(TypedDict, total=False):
    """The arguments of submit_job; `depends_on` of others may name the job by its `key` too."""

    job_type: str
    organization: str
    parameters: dict[str, Any] | None
    priority: Priority | None
    depends_on: str | list[str] | None
    available_at: str | float | None
    dedup_key: str | None
    on_duplicate: Literal["raise", "return", "replace"]
    on_parent_failure: OnParentFailure
    key: str | None


class Step(TypedDict):
    """A step of a running job that its handler has named."""

    name: str
    state: Literal["done", "active", "pending"]


class ListedJob(TypedDict):
    """A job in a list; times are ISO 8601 with offset.

    `waiting_reason`: why it is not running yet, for people. `cancel_requested`: it runs, and was asked to stop.
    `output_url`: the path of the file of this site that is the job's outcome.
    """

    job_id: str
    job_type: str
    organization: str
    organization_name: str
    status: Status
    priority: Priority
    progress: float
    progress_message: str | None
    owner_user: str
    attempt: int
    created_at: datetime
    available_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    retry_count: int
    max_retries: int
    next_retry_at: datetime | None
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

    canceled_at: datetime | None
    canceled_by: str | None
    result: Any
    depends_on: str | None
    parents: list[str]
    on_parent_failure: Literal["cancel", "dead_letter", "run"] | None
    key: str | None
    schedule: str | None
    parent_batch: str | None
    result_is_hidden: bool


class JobList(TypedDict):
    """One page; `total` counts all that fit, up to 10,000."""

    jobs: list[ListedJob]
    total: int
    limit: int
    offset: int


class DeadLetters(TypedDict):
    jobs: list[ListedJob]


class BatchIdAndStatus(TypedDict):
    """A batch that was submitted or is being canceled."""

    batch_id: str
    status: BatchStatus
    size: int
    message: str


class ListedBatch(TypedDict):
    """A batch in a list; `size` is the number of jobs that were submitted with it."""

    batch_id: str
    organization: str
    organization_name: str
    owner_user: str
    description: str | None
    status: BatchStatus
    size: int
    created_at: datetime
    completed_at: datetime | None
    cancel_requested: bool
    canceled_by: str | None
    on_complete_job: str | None
    on_success_job: str | None
    on_failure_job: str | None


class BatchStatusAnswer(ListedBatch):
    """A batch with its progress: the percentage of its jobs that have ended."""

    job_count_by_status: dict[Status, int]
    progress: float


class BatchList(TypedDict):
    """One page; `total` counts all that fit, up to 10,000."""

    batches: list[ListedBatch]
    total: int
    limit: int
    offset: int


class BatchRetry(TypedDict):
    """How many jobs were retried, and which were not and why."""

    batch_id: str
    retried: int
    skipped: dict[str, str]


class ManuallyClosed(TypedDict):
    """A circuit that was closed."""

    circuit_id: str
    job_type: str
    organization: str
    organization_name: str
    status: Literal["Open", "Half Open", "Closed"]
    message: str


class OpenCircuit(TypedDict):
    """Jobs of this type and organization are held until `open_until`; then one of them, `probe_job`, tries.

    `failures` of `samples` attempts had failed when it opened.
    """

    circuit_id: str
    job_type: str
    organization: str
    organization_name: str
    status: Literal["Open", "Half Open"]
    opened_at: datetime
    open_until: datetime
    failures: int
    samples: int
    probe_job: str | None


class OpenCircuits(TypedDict):
    circuits: list[OpenCircuit]


class Event(TypedDict):
    """One change of a job's status; `retry_attempt` counts the retries so far, `worker` is for System Managers."""

    from_status: Status | None
    to_status: Status
    timestamp: datetime
    actor: str
    message: str | None
    retry_attempt: int
    duration: float | None
    worker: str | None


class History(TypedDict):
    """Oldest first."""

    job_id: str
    history: list[Event]


class BulkRetry(TypedDict):
    """What was retried, and what was not and why."""

    retried: list[str]
    skipped: dict[str, str]


class Deleted(TypedDict):
    job_id: str
    message: str


class ProcessingTime(TypedDict):
    average_seconds: float | None
    p95_seconds: float | None


class Metrics(TypedDict):
    """Of the jobs you may see; times and failure rates (0 to 1) of those of the last hours."""

    job_count_by_status: dict[Status, int]
    queue_depth_by_priority: dict[Priority, int]
    processing_time: ProcessingTime
    failure_rate_by_type: dict[str, float]
    processing_time_by_type: dict[str, float | None]
    timestamp: datetime


class ExecutionTimes(ProcessingTime):
    count: int
    min_seconds: float | None
    max_seconds: float | None
    p50_seconds: float | None


class SlowJob(TypedDict):
    job_id: str
    job_type: str
    organization: str
    organization_name: str
    owner_user: str
    completed_at: datetime
    seconds: float


class SlowJobs(TypedDict):
    jobs: list[SlowJob]


class Error(TypedDict):
    """Every error answers like this; `message` is for people, in their language."""

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
    """Both null if you may not see the job."""

    existing_job_id: str | None
    status: Status | None


class RateError(Error):
    """Seconds, as in the header Retry-After."""

    retry_after: int
