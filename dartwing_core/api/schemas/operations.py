"""Arguments and answers about many jobs: bulk operations, dead letters, circuits and figures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from .common import Moment, Priority, Status
from .jobs import ListedJob

JobIds = Annotated[list[str], "Ids of at most 500 jobs"]


class Bulk(TypedDict):
    """`done`: jobs that were changed. `refused`: the reason for each of the others."""

    done: list[str]
    refused: dict[str, str]


class RetriedByError(Bulk):
    """`left`: the number of further jobs with these errors."""

    left: int


class DeadLetters(TypedDict):
    jobs: list[ListedJob]


class BulkRetry(TypedDict):
    """`retried`: ids of jobs. `skipped`: the reason for each of the others."""

    retried: list[str]
    skipped: dict[str, str]


class Deleted(TypedDict):
    job_id: str
    message: str


class OpenCircuit(TypedDict):
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


class OpenCircuits(TypedDict):
    circuits: list[OpenCircuit]


class ManuallyClosed(TypedDict):
    """A circuit that was closed."""

    circuit_id: str
    job_type: str
    organization: str
    organization_name: str
    status: Literal["Open", "Half Open", "Closed"]
    message: str


class JobCounts(TypedDict):
    """Counts, each up to 10,000. `today` and `day_ago`: the moments from which failures count."""

    running: int
    waiting: int
    failed_today: int
    failed_in_24_hours: int
    dead_letter: int
    today: Moment
    day_ago: Moment


class TypeFigures(TypedDict):
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


class DifferenceFromCode(TypedDict):
    """A field of a Job Type: its value on the site, and the one that code declares."""

    label: str
    here: str
    code: str


class JobTypeOverview(TypedDict):
    """Figures of a type's jobs that you may see. `schema`: the JSON Schema of their parameters, if it is known."""

    job_type: str
    display_name: str
    is_paused: bool
    can_run: bool
    can_change: bool
    differences_from_code: list[DifferenceFromCode]
    schema: dict[str, Any] | None
    figures: TypeFigures
    circuits: list[OpenCircuit]
    recent: list[ListedJob]


class JobType(TypedDict):
    """A Job Type. `schema`: the JSON Schema of the parameters, if it is known."""

    job_type: str
    display_name: str
    description: str
    schema: dict[str, Any] | None
    priority: Priority
    timeout_seconds: int
    max_retries: int
    is_paused: bool


class JobTypes(TypedDict):
    job_types: list[JobType]


class ProcessingTime(TypedDict):
    average_seconds: float | None
    p95_seconds: float | None


class Metrics(TypedDict):
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
    p50_seconds: float | None


class SlowJob(TypedDict):
    job_id: str
    job_type: str
    organization: str
    organization_name: str
    owner_user: str
    completed_at: Moment
    seconds: float


class SlowJobs(TypedDict):
    jobs: list[SlowJob]
