"""REST endpoints of the job engine: `/api/method/dartwing_core.api.jobs.<name>`.

Thin: arguments in, an operation of `dartwing_core.jobs`, the answer out. `docs/rest_api.md` has examples, and
`docs/openapi.json` the description made of this file.
Annotations are not evaluated here (`from __future__`), so that Frappe leaves the parsing of arguments to us.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from frappe import _
from werkzeug.wrappers import Response

from dartwing_core import jobs as engine
from dartwing_core.jobs.errors import InvalidJobError
from dartwing_core.jobs.operations import builders

from . import rate_limits
from .arguments import parsed, requests_for, text_or_list
from .due_times import (  # noqa: F401 - served under this module's name
    get_schedule,
    list_schedules,
    preview_schedule,
    reschedule_job,
    run_now,
    run_schedule_now,
)
from .endpoint import endpoint
from .pages import (  # noqa: F401 - served under this module's name
    cancel_jobs,
    delete_jobs,
    get_job_counts,
    get_job_details,
    get_job_type_overview,
    retry_dead_letters,
    retry_jobs,
)
from .schemas import (
    REQUIRED,
    AvailableAt,
    BatchId,
    BatchIdAndStatus,
    BatchList,
    BatchRetry,
    BatchStatus,
    BatchStatusAnswer,
    BulkRetry,
    Callback,
    DeadLetters,
    Deleted,
    ExecutionTimes,
    History,
    Hours,
    JobId,
    JobList,
    JobRequest,
    JobStatusAnswer,
    JobTypeName,
    Limit,
    ManuallyClosed,
    Metrics,
    OnParentFailure,
    OpenCircuits,
    OrganizationName,
    Parameters,
    Priority,
    SlowJobs,
    Status,
    Submitted,
    SubmittedJobs,
)


@endpoint("POST", limit="submit")
def submit_job(
    job_type: JobTypeName = REQUIRED,
    organization: OrganizationName = REQUIRED,
    parameters: Parameters | None = None,
    priority: Priority | None = None,
    depends_on: Annotated[str | list[str], "A job of the same organization that must complete first, or several"]
    | None = None,
    available_at: AvailableAt | None = None,
    dedup_key: Annotated[str, "What makes two jobs the same, instead of equal parameters"] | None = None,
    on_duplicate: Literal["raise", "return", "replace"] = "raise",
    on_parent_failure: OnParentFailure = "dead_letter",
) -> Submitted:
    """Submit a job.

    If the same job exists: answer 409, return that job, or replace its parameters while it is Pending.
    """
    job = engine.submit_job(
        job_type,
        organization,
        parsed(parameters, "parameters"),
        priority=priority or None,
        depends_on=text_or_list(depends_on, "depends_on"),
        available_at=available_at or None,
        dedup_key=dedup_key or None,
        on_duplicate=on_duplicate or "raise",
        on_parent_failure=on_parent_failure or "dead_letter",
    )
    return {"job_id": job.name, "status": job.status, "message": _("Job submitted successfully")}


def _cost_of_jobs(jobs: Any = None, **_more: Any) -> int:
    return requests_for(parsed(jobs, "jobs"))


@endpoint("POST", limit="submit", cost=_cost_of_jobs)
def submit_jobs(jobs: Annotated[list[JobRequest], "Each with the arguments of submit_job"] = REQUIRED) -> SubmittedJobs:
    """Submit several jobs, all or none."""
    requests = parsed(jobs, "jobs")
    if not isinstance(requests, list):
        raise InvalidJobError(_("{0} must be a list.").format("jobs"))
    made = engine.submit_jobs(requests)
    return {
        "jobs": [{"job_id": job.name, "status": job.status} for job in made],
        "message": _("Jobs submitted successfully"),
    }


@endpoint("POST", limit="cancel")
def cancel_job(job_id: JobId = REQUIRED, reason: Annotated[str, "Kept with the job"] | None = None) -> Submitted:
    """Cancel a waiting job, or ask a running one to stop."""
    job = engine.cancel_job(job_id, reason=reason)
    return {"job_id": job.name, "status": job.status, "message": _("Job canceled successfully")}


def _cost_of_batch(jobs: Any = None, **_more: Any) -> int:
    try:
        return requests_for([*builders.plan_of(parsed(jobs, "jobs"), "").jobs])
    except InvalidJobError:
        return 1


@endpoint("POST", limit="submit", cost=_cost_of_batch)
def submit_batch(
    organization: OrganizationName = REQUIRED,
    jobs: Annotated[
        list[dict[str, Any]], 'Jobs as of submit_jobs, {"chain": [part, …]} or {"group": [part, …]}'
    ] = REQUIRED,
    on_complete: Callback | None = None,
    on_success: Callback | None = None,
    on_failure: Callback | None = None,
    description: Annotated[str, "For people"] | None = None,
) -> BatchIdAndStatus:
    """Submit jobs that are watched, canceled and retried as a whole, all or none."""
    batch = engine.submit_batch(
        organization,
        parsed(jobs, "jobs"),
        on_complete=parsed(on_complete, "on_complete"),
        on_success=parsed(on_success, "on_success"),
        on_failure=parsed(on_failure, "on_failure"),
        description=description,
    )
    return _batch_answer(batch, _("Batch submitted successfully"))


@endpoint("GET", limit="status")
def get_batch_status(batch_id: BatchId = REQUIRED) -> BatchStatusAnswer:
    """State and progress of a batch, with the number of its jobs in each status."""
    return engine.get_batch_status(batch_id)


@endpoint("GET", limit="list")
def list_batches(
    organization: OrganizationName | None = None,
    status: BatchStatus | None = None,
    limit: Limit = 20,
    offset: Annotated[int, "Leave out so many"] = 0,
) -> BatchList:
    """Batches that you may see, newest first."""
    return engine.list_batches(organization, status, limit, offset)


@endpoint("POST", limit="cancel")
def cancel_batch(
    batch_id: BatchId = REQUIRED, reason: Annotated[str, "Kept with the batch"] | None = None
) -> BatchIdAndStatus:
    """Cancel the waiting jobs of a batch, and ask the running ones to stop."""
    return _batch_answer(engine.cancel_batch(batch_id, reason=reason), _("Batch is being canceled"))


@endpoint("POST", limit="submit")
def retry_batch(batch_id: BatchId = REQUIRED) -> BatchRetry:
    """Start a fresh series of attempts of all jobs of a batch that have failed."""
    retried = engine.retry_batch(batch_id)
    rate_limits.take_for("submit", retried["retried"] + len(retried["skipped"]))
    return retried


def _batch_answer(batch: Any, message: str) -> BatchIdAndStatus:
    return {"batch_id": batch.name, "status": batch.status, "size": batch.size, "message": message}


@endpoint("POST", limit="submit")
def retry_job(job_id: JobId = REQUIRED, parameters: Parameters | None = None) -> Submitted:
    """Start a fresh series of attempts of a failed job, with other parameters if there are any."""
    job = engine.retry_job(job_id, parameters=parsed(parameters, "parameters"))
    return {"job_id": job.name, "status": job.status, "message": _("Job re-queued for execution")}


@endpoint("GET", limit="list")
def get_dead_letter_jobs(organization: OrganizationName | None = None, limit: Limit = 100) -> DeadLetters:
    """Dead Letter jobs that you may see, newest first."""
    return {"jobs": engine.get_dead_letter_jobs(organization, limit)}


@endpoint("POST", limit="submit")
def bulk_retry_dead_letter(
    organization: OrganizationName | None = None, job_type: JobTypeName | None = None, limit: Limit = 50
) -> BulkRetry:
    """Retry Dead Letter jobs that you may see, oldest first."""
    retried = engine.bulk_retry_dead_letter(organization, job_type, limit)
    rate_limits.take_for("submit", len(retried["retried"]) + len(retried["skipped"]))
    return retried


@endpoint("POST", limit="cancel")
def delete_dead_letter_job(job_id: JobId = REQUIRED) -> Deleted:
    """Delete a Dead Letter job with its history; System Manager only."""
    engine.delete_dead_letter_job(job_id)
    return {"job_id": job_id, "message": _("Job deleted")}


@endpoint("GET", limit="status")
def get_job_status(job_id: JobId = REQUIRED) -> JobStatusAnswer:
    """State, progress and outcome of a job."""
    return engine.get_job_status(job_id)


@endpoint("GET", limit="list")
def list_jobs(
    organization: OrganizationName | None = None,
    status: Status | None = None,
    job_type: JobTypeName | None = None,
    limit: Limit = 20,
    offset: Annotated[int, "Leave out so many"] = 0,
    priority: Priority | None = None,
    owner_user: Annotated[str, "Only jobs of this user"] | None = None,
    from_date: Annotated[str, "Made at this time (ISO 8601) or later"] | None = None,
    to_date: Annotated[str, "Made at this time (ISO 8601) or before"] | None = None,
    order_by: Annotated[str, "creation, modified, status, priority or a time, with asc or desc"] = "creation desc",
    batch: Annotated[str, "Only jobs of this batch"] | None = None,
    schedule: Annotated[str, "Only jobs of this schedule"] | None = None,
) -> JobList:
    """Jobs that you may see, newest first."""
    filters = (priority, owner_user, from_date, to_date, order_by, batch, schedule)
    return engine.list_jobs(organization, status, job_type, limit, offset, *filters)


@endpoint("GET", limit="status")
def get_job_history(job_id: JobId = REQUIRED) -> History:
    """Every status change of a job, oldest first."""
    return engine.get_job_history(job_id)


@endpoint("GET", limit="metrics")
def get_job_metrics(organization: OrganizationName | None = None, hours: Hours = 24) -> Metrics:
    """How many jobs there are in each state and waiting, and how long they take and how often they fail."""
    return engine.get_metrics(organization, hours)


@endpoint("GET", limit="metrics")
def get_execution_time_stats(
    organization: OrganizationName | None = None, job_type: JobTypeName | None = None, hours: Hours = 24
) -> ExecutionTimes:
    """How long completed jobs took."""
    return engine.get_execution_time_stats(organization, job_type, hours)


@endpoint("GET", limit="metrics")
def get_slowest_jobs(
    organization: OrganizationName | None = None,
    job_type: JobTypeName | None = None,
    hours: Hours = 24,
    limit: Limit = 10,
) -> SlowJobs:
    """The completed jobs that took longest."""
    return {"jobs": engine.get_slowest_jobs(organization, job_type, hours, limit)}


@endpoint("GET", limit="list")
def get_open_circuits(organization: OrganizationName | None = None) -> OpenCircuits:
    """Circuits that hold jobs back, in organizations that you administer, newest first."""
    return {"circuits": engine.get_open_circuits(organization)}


@endpoint("POST", limit="cancel")
def manually_close_circuit(
    job_type: JobTypeName = REQUIRED, organization: OrganizationName = REQUIRED
) -> ManuallyClosed:
    """Let held jobs of a type and organization go on before the cool-down is over."""
    closed = engine.manually_close_circuit(job_type, organization)
    shown = {name: closed[name] for name in ("circuit_id", "job_type", "organization", "organization_name", "status")}
    return {**shown, "message": _("Circuit closed")}


@endpoint("GET", limit="list")
def get_openapi() -> dict[str, Any]:
    """This description, as it is (not in `message`)."""
    from . import openapi

    return Response(json.dumps(openapi.describe()), content_type="application/json")
