"""REST endpoints for pages about jobs: all of one job, figures, and what is done with many. `api.jobs` serves them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from typing_extensions import TypedDict

from dartwing_core import jobs as engine

from . import rate_limits
from .arguments import parsed, requests_for
from .endpoint import endpoint
from .schemas import (
    REQUIRED,
    BatchStatus,
    Event,
    Hours,
    JobId,
    JobStatusAnswer,
    JobTypeName,
    ListedJob,
    OpenCircuit,
    OrganizationName,
    Status,
)

JobIds = Annotated[list[str], "Ids of at most 500 jobs"]


class Relative(TypedDict):
    """Another job; type and status are null where you may not see it, or it is gone."""

    job_id: str
    job_type: str | None
    status: Status | None


class Relatives(TypedDict):
    """The jobs that this one depends on, and those that depend on it."""

    parents: list[Relative]
    children: list[Relative]
    has_more_children: bool


class Attempt(TypedDict):
    """One attempt of a job; `outcome` is the status that it ended with. `traceback` is for administrators, `worker` for
    System Managers.
    """

    attempt: int
    outcome: Status | None
    worker: str | None
    started_at: datetime | None
    ended_at: datetime | None
    duration: float | None
    error_message: str | None
    traceback: str | None


class BatchName(TypedDict):
    batch_id: str
    description: str | None
    status: BatchStatus


class JobDetails(JobStatusAnswer):
    """All there is to know of a job, for a page that shows it, and what may be done with it."""

    queue: str | None
    callback_of: str | None
    parameters: Any
    attempts: list[Attempt]
    relatives: Relatives
    batch: BatchName | None
    history: list[Event]
    can_edit: bool
    can_delete: bool


class TypeFigures(TypedDict):
    """`count`: jobs submitted in the last `hours` that have ended; times are of those that completed.

    `failure_rate` (0 to 1): the share that failed of those that have completed or failed, those that are retried too.
    """

    running: int
    waiting: int
    dead_letter: int
    count: int
    failure_rate: float | None
    average_seconds: float | None
    p95_seconds: float | None
    hours: int


class JobTypeOverview(TypedDict):
    """How the jobs of a type fare, of those you may see. `schema`: the JSON Schema of what they take, if known."""

    job_type: str
    display_name: str
    is_paused: bool
    can_run: bool
    can_change: bool
    schema: dict[str, Any] | None
    figures: TypeFigures
    circuits: list[OpenCircuit]
    recent: list[ListedJob]


class JobCounts(TypedDict):
    """Each up to 10,000. `today` and `day_ago`: since when jobs count as failed lately, by the site's clock."""

    running: int
    waiting: int
    failed_today: int
    failed_in_24_hours: int
    dead_letter: int
    today: str
    day_ago: str


class Bulk(TypedDict):
    """The jobs with which it was done, and why not with the others."""

    done: list[str]
    refused: dict[str, str]


class RetriedByError(Bulk):
    """`left`: how many such jobs there are besides."""

    left: int


@endpoint("GET", limit="status")
def get_job_details(job_id: JobId = REQUIRED) -> JobDetails:
    """All there is to know of a job: state, parameters, attempts, relatives, history, and what may be done with it."""
    return engine.get_job_details(job_id)


@endpoint("GET", limit="list")
def get_job_counts(organization: OrganizationName | None = None) -> JobCounts:
    """How many jobs run, wait, have failed today and are dead letters."""
    return engine.get_job_counts(organization)


@endpoint("GET", limit="status")
def get_job_type_overview(job_type: JobTypeName = REQUIRED, hours: Hours = 24) -> JobTypeOverview:
    """How the jobs of a type fare, the newest ten, and the JSON Schema of what they take."""
    return engine.get_job_type_overview(job_type, hours)


def _cost_of_ids(job_ids: Any = None, **_more: Any) -> int:
    return requests_for(parsed(job_ids, "job_ids"))


@endpoint("POST", limit="cancel", cost=_cost_of_ids)
def cancel_jobs(job_ids: JobIds = REQUIRED, reason: Annotated[str, "Kept with the jobs"] | None = None) -> Bulk:
    """Cancel several jobs, each for itself."""
    return engine.cancel_jobs(parsed(job_ids, "job_ids"), reason=reason)


@endpoint("POST", limit="submit", cost=_cost_of_ids)
def retry_jobs(job_ids: JobIds = REQUIRED) -> Bulk:
    """Start a fresh series of attempts of several failed jobs, each for itself."""
    return engine.retry_jobs(parsed(job_ids, "job_ids"))


@endpoint("POST", limit="cancel", cost=_cost_of_ids)
def delete_jobs(job_ids: JobIds = REQUIRED) -> Bulk:
    """Delete several jobs that are over, with their history, each for itself; System Manager only."""
    return engine.delete_jobs(parsed(job_ids, "job_ids"))


@endpoint("POST", limit="submit")
def retry_dead_letters(
    fingerprints: Annotated[list[str], "Of errors, as the report Dead Letters by Error has them"] = REQUIRED,
    organization: OrganizationName | None = None,
    job_type: JobTypeName | None = None,
) -> RetriedByError:
    """Retry the Dead Letter jobs that you may see with these kinds of errors, the oldest 500."""
    found = engine.retry_dead_letters(parsed(fingerprints, "fingerprints"), organization or None, job_type or None)
    rate_limits.take_for("submit", len(found["done"]) + len(found["refused"]))
    return found
