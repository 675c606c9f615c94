"""Endpoints about many jobs: bulk operations, dead letters, circuits and figures."""

from __future__ import annotations

from typing import Annotated, Any, cast

from frappe import _

from dartwing_core import jobs as engine

from . import rate_limits
from .arguments import parsed, requests_for
from .registry import endpoint
from .schemas.common import REQUIRED, Hours, JobId, JobTypeName, Limit, OrganizationName
from .schemas.jobs import ListedJob
from .schemas.operations import (
    Bulk,
    BulkRetry,
    DeadLetters,
    Deleted,
    ExecutionTimes,
    JobCounts,
    JobIds,
    JobTypeOverview,
    JobTypes,
    ManuallyClosed,
    Metrics,
    OpenCircuit,
    OpenCircuits,
    RetriedByError,
    SlowJob,
    SlowJobs,
)


def _cost_of_ids(job_ids: Any = None, **_more: Any) -> int:
    return requests_for(parsed(job_ids, "job_ids"))


@endpoint("POST", limit="cancel", cost=_cost_of_ids)
def cancel_jobs(job_ids: JobIds = REQUIRED, reason: Annotated[str, "Kept with the jobs"] | None = None) -> Bulk:
    """Cancel several jobs. A job that can't be canceled stops none of the others."""
    return cast(Bulk, engine.cancel_jobs(parsed(job_ids, "job_ids"), reason=reason))


@endpoint("POST", limit="submit", cost=_cost_of_ids)
def retry_jobs(job_ids: JobIds = REQUIRED) -> Bulk:
    """Start a fresh series of attempts of several failed jobs. A job that can't be retried stops none of the others."""
    return cast(Bulk, engine.retry_jobs(parsed(job_ids, "job_ids")))


@endpoint("POST", limit="cancel", cost=_cost_of_ids)
def delete_jobs(job_ids: JobIds = REQUIRED) -> Bulk:
    """Delete several jobs that are over, with their history. System Manager only."""
    return cast(Bulk, engine.delete_jobs(parsed(job_ids, "job_ids")))


@endpoint("POST", limit="submit")
def retry_dead_letters(
    fingerprints: Annotated[list[str], "Of errors, as the report Dead Letters by Error has them"] = REQUIRED,
    organization: OrganizationName | None = None,
    job_type: JobTypeName | None = None,
) -> RetriedByError:
    """Retry the Dead Letter jobs that you may see with these kinds of errors, the oldest 500."""
    errors = parsed(fingerprints, "fingerprints")
    found = cast(RetriedByError, engine.retry_dead_letters(errors, organization or None, job_type or None))
    rate_limits.count_jobs("submit", len(found["done"]) + len(found["refused"]))
    return found


@endpoint("GET", limit="list")
def get_dead_letter_jobs(organization: OrganizationName | None = None, limit: Limit = 100) -> DeadLetters:
    """Dead Letter jobs that you may see, newest first."""
    return {"jobs": cast(list[ListedJob], engine.get_dead_letter_jobs(organization, limit))}


@endpoint("POST", limit="submit")
def bulk_retry_dead_letter(
    organization: OrganizationName | None = None, job_type: JobTypeName | None = None, limit: Limit = 50
) -> BulkRetry:
    """Retry Dead Letter jobs that you may see, oldest first."""
    retried = cast(BulkRetry, engine.bulk_retry_dead_letter(organization, job_type, limit))
    rate_limits.count_jobs("submit", len(retried["retried"]) + len(retried["skipped"]))
    return retried


@endpoint("POST", limit="cancel")
def delete_dead_letter_job(job_id: JobId = REQUIRED) -> Deleted:
    """Delete a Dead Letter job with its history; System Manager only."""
    engine.delete_dead_letter_job(job_id)
    return {"job_id": job_id, "message": _("Job deleted")}


@endpoint("GET", limit="list")
def get_open_circuits(organization: OrganizationName | None = None) -> OpenCircuits:
    """Circuits that stop jobs, in organizations that you administer, newest first."""
    return {"circuits": cast(list[OpenCircuit], engine.get_open_circuits(organization))}


@endpoint("POST", limit="cancel")
def manually_close_circuit(
    job_type: JobTypeName = REQUIRED, organization: OrganizationName = REQUIRED
) -> ManuallyClosed:
    """Close a circuit by hand: its jobs may start before the cool-down is over."""
    closed = engine.manually_close_circuit(job_type, organization)
    return {
        "circuit_id": closed["circuit_id"],
        "job_type": closed["job_type"],
        "organization": closed["organization"],
        "organization_name": closed["organization_name"],
        "status": closed["status"],
        "message": _("Circuit closed"),
    }


@endpoint("GET", limit="list")
def get_job_counts(organization: OrganizationName | None = None) -> JobCounts:
    """Counts of jobs that run, wait, have failed today or are dead letters."""
    return cast(JobCounts, engine.get_job_counts(organization))


@endpoint("GET", limit="status")
def get_job_type_overview(job_type: JobTypeName = REQUIRED, hours: Hours = 24) -> JobTypeOverview:
    """Figures of a type's jobs, the newest ten, and the JSON Schema of their parameters."""
    return cast(JobTypeOverview, engine.get_job_type_overview(job_type, hours))


@endpoint("GET", limit="list")
def list_job_types(organization: OrganizationName | None = None) -> JobTypes:
    """The Job Types whose jobs you may submit for an organization, with the JSON Schema of their parameters."""
    return cast(JobTypes, engine.list_job_types(organization))


@endpoint("GET", limit="metrics")
def get_job_metrics(organization: OrganizationName | None = None, hours: Hours = 24) -> Metrics:
    """Counts of jobs by status and of waiting jobs, processing times and failure rates."""
    return cast(Metrics, engine.get_metrics(organization, hours))


@endpoint("GET", limit="metrics")
def get_execution_time_stats(
    organization: OrganizationName | None = None, job_type: JobTypeName | None = None, hours: Hours = 24
) -> ExecutionTimes:
    """Execution times of completed jobs."""
    return cast(ExecutionTimes, engine.get_execution_time_stats(organization, job_type, hours))


@endpoint("GET", limit="metrics")
def get_slowest_jobs(
    organization: OrganizationName | None = None,
    job_type: JobTypeName | None = None,
    hours: Hours = 24,
    limit: Limit = 10,
) -> SlowJobs:
    """The completed jobs with the longest execution times."""
    return {"jobs": cast(list[SlowJob], engine.get_slowest_jobs(organization, job_type, hours, limit))}
