"""Endpoints about single jobs, and the address of all endpoints: `/api/method/dartwing_core.api.jobs.<name>`.

An endpoint parses its arguments, calls an operation of `dartwing_core.jobs`, and answers. `docs/rest_api.md` has
examples. `docs/openapi.json` is made from these modules. Their annotations are not evaluated (`from __future__`), so
that Frappe leaves the parsing of arguments to us.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, cast

from frappe import _
from werkzeug.wrappers import Response

from dartwing_core import jobs as engine
from dartwing_core.jobs.errors import InvalidJobError
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.read import files, waiting_reason
from dartwing_core.jobs.status import JobStatus

from . import downloads, job_waits, openapi
from .arguments import (
    REPEATABLE,
    given,
    header,
    own_key,
    parsed,
    refuse_repeatable,
    requests_for,
    text_or_list,
    whole_number,
)
from .batches import (  # noqa: F401 - served under this module's name
    cancel_batch,
    get_batch_status,
    list_batches,
    retry_batch,
    submit_batch,
)
from .operations import (  # noqa: F401 - served under this module's name
    bulk_retry_dead_letter,
    cancel_jobs,
    delete_dead_letter_job,
    delete_jobs,
    get_dead_letter_jobs,
    get_execution_time_stats,
    get_job_counts,
    get_job_metrics,
    get_job_type_overview,
    get_open_circuits,
    get_slowest_jobs,
    list_job_types,
    manually_close_circuit,
    retry_dead_letters,
    retry_jobs,
)
from .registry import endpoint
from .schedules import (  # noqa: F401 - served under this module's name
    get_schedule,
    list_schedules,
    preview_schedule,
    run_schedule_now,
)
from .schemas.common import (
    REQUIRED,
    AvailableAt,
    Deduplication,
    JobId,
    JobTypeName,
    Limit,
    OnParentFailure,
    OrganizationName,
    Parameters,
    Priority,
    Status,
    Submitted,
)
from .schemas.jobs import (
    DueAgain,
    History,
    JobDetails,
    JobList,
    JobRequest,
    JobStatusAnswer,
    Reference,
    SubmittedJobs,
)


@endpoint("POST", limit="submit", headers={REPEATABLE: "A key of this request, for a client that may repeat it"})
def submit_job(
    job_type: JobTypeName = REQUIRED,
    organization: OrganizationName | None = None,
    parameters: Parameters | None = None,
    priority: Priority | None = None,
    depends_on: Annotated[str | list[str], "A job of the same organization that must complete first, or several"]
    | None = None,
    available_at: AvailableAt | None = None,
    dedup_key: Annotated[str, "Jobs with the same key are duplicates, whatever their parameters"] | None = None,
    on_duplicate: Literal["raise", "return", "replace"] = "raise",
    on_parent_failure: OnParentFailure = "dead_letter",
    deduplication: Deduplication | None = None,
    timeout: Annotated[int, "Seconds for an attempt, at most what the Job Type allows"] | None = None,
    max_retries: Annotated[int, "At most what the Job Type allows"] | None = None,
    title: Annotated[str, "Which one of its type it is, for people"] | None = None,
    reference: Annotated[Reference, "The document that it is about, whose form then shows the job"] | None = None,
    tags: Annotated[list[str], "Texts by which list_jobs finds it"] | None = None,
) -> Submitted:
    """Submit a job.

    If an equal job exists: answer 409, return that job, or replace its parameters until its first attempt. The header
    Idempotency-Key is a `dedup_key` for a client that repeats its request: the answer is that of the first one.
    """
    if given(dedup_key) is None and (repeatable := header(REPEATABLE)):
        dedup_key, deduplication = own_key(repeatable), "within_window"  # the first job may have ended
        on_duplicate = "return" if given(on_duplicate, "raise") == "raise" else on_duplicate
    job = engine.submit_job(
        job_type,
        organization,
        parsed(parameters, "parameters"),
        priority=given(priority),
        depends_on=text_or_list(depends_on, "depends_on"),
        available_at=given(available_at),
        dedup_key=given(dedup_key),
        on_duplicate=given(on_duplicate, "raise"),
        on_parent_failure=given(on_parent_failure, "dead_letter"),
        deduplication=given(deduplication),
        timeout=whole_number(timeout, "timeout"),
        max_retries=whole_number(max_retries, "max_retries"),
        title=given(title),
        reference=parsed(reference, "reference"),
        tags=text_or_list(tags, "tags"),
    )
    return {"job_id": job.name, "status": job.status, "message": _("Job submitted successfully")}


def _cost_of_jobs(jobs: Any = None, **_more: Any) -> int:
    return requests_for(parsed(jobs, "jobs"))


@endpoint("POST", limit="submit", cost=_cost_of_jobs)
def submit_jobs(jobs: Annotated[list[JobRequest], "Each with the arguments of submit_job"] = REQUIRED) -> SubmittedJobs:
    """Submit several jobs, all or none."""
    refuse_repeatable()
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
    is_over = job.status == JobStatus.CANCELED
    message = _("Job canceled successfully") if is_over else _("The job is being canceled.")
    return {"job_id": job.name, "status": job.status, "message": message}


@endpoint("POST", limit="submit")
def retry_job(job_id: JobId = REQUIRED, parameters: Parameters | None = None) -> Submitted:
    """Start a fresh series of attempts of a failed job, perhaps with other parameters."""
    job = engine.retry_job(job_id, parameters=parsed(parameters, "parameters"))
    return {"job_id": job.name, "status": job.status, "message": _("Job re-queued for execution")}


@endpoint("POST", limit="submit")
def reschedule_job(job_id: JobId = REQUIRED, available_at: AvailableAt = REQUIRED) -> DueAgain:
    """Let a pending job start at another time."""
    return _due_again(engine.reschedule_job(job_id, available_at), _("Job rescheduled"))


@endpoint("POST", limit="submit")
def run_now(job_id: JobId = REQUIRED) -> DueAgain:
    """Skip the wait of a job for its time or its retry. The job may still wait for another reason."""
    return _due_again(engine.run_now(job_id), _("Job is due now"))


def _due_again(job: Any, done: str) -> DueAgain:
    reason = waiting_reason.of_job(job.get_valid_dict(ignore_virtual=True))
    return {
        "job_id": job.name,
        "status": job.status,
        "available_at": clock.iso(job.due_epoch),
        "waiting_reason": reason,
        "message": f"{done}. {reason}" if reason else done,
    }


@endpoint("GET", limit="status")
def get_job_status(job_id: JobId = REQUIRED) -> JobStatusAnswer:
    """State, progress and outcome of a job."""
    return cast(JobStatusAnswer, engine.get_job_status(job_id))


@endpoint("GET", limit="status")
def wait_for_job(
    job_id: JobId = REQUIRED, seconds: Annotated[int, "At most 20"] = job_waits.MOST_SECONDS
) -> JobStatusAnswer:
    """State, progress and outcome of a job once it has ended, or after so many seconds.

    Two calls of a user may wait at once.
    """
    return job_waits.wait_for_end(job_id, whole_number(seconds, "seconds") or 0)


@endpoint("GET", limit="status")
def get_job_details(job_id: JobId = REQUIRED) -> JobDetails:
    """All details of a job: state, parameters, attempts, relatives, history and allowed operations."""
    return cast(JobDetails, engine.get_job_details(job_id))


@endpoint("GET", limit="status")
def download_file(
    job_id: JobId = REQUIRED, name: Annotated[str, "As get_job_details lists it"] = REQUIRED
) -> Annotated[Response, openapi.BYTES]:
    """The bytes of a file that a job has made, not in `message`.

    For users who may see the job's result. The answer says to save the file, and not to show it.
    """
    return downloads.answer(files.visible_file(job_id, name))


@endpoint("GET", limit="list")
def list_jobs(
    organization: OrganizationName | None = None,
    status: Status | None = None,
    job_type: JobTypeName | None = None,
    limit: Limit = 20,
    offset: Annotated[int, "The number of rows to skip"] = 0,
    priority: Priority | None = None,
    owner_user: Annotated[str, "Only jobs of this user"] | None = None,
    from_date: Annotated[str, "Made at this time (ISO 8601) or later"] | None = None,
    to_date: Annotated[str, "Made at this time (ISO 8601) or before"] | None = None,
    order_by: Annotated[str, "creation, modified, status, priority or a time, with asc or desc"] = "creation desc",
    batch: Annotated[str, "Only jobs of this batch"] | None = None,
    schedule: Annotated[str, "Only jobs of this schedule"] | None = None,
    reference_doctype: Annotated[str, "Only jobs about a document of this DocType, with reference_name"] | None = None,
    reference_name: Annotated[str, "The name of that document"] | None = None,
    tag: Annotated[str, "Only jobs with this tag, among the newest 10,000"] | None = None,
) -> JobList:
    """Jobs that you may see, newest first."""
    reference = (reference_doctype, reference_name) if reference_doctype or reference_name else None
    filters = (priority, owner_user, from_date, to_date, order_by, batch, schedule, reference, given(tag))
    return cast(JobList, engine.list_jobs(organization, status, job_type, limit, offset, *filters))


@endpoint("GET", limit="status")
def get_job_history(job_id: JobId = REQUIRED) -> History:
    """Every status change of a job, oldest first."""
    return cast(History, engine.get_job_history(job_id))


@endpoint("GET", limit="list")
def get_openapi() -> Response:
    """This description itself, not in `message`."""
    return Response(json.dumps(openapi.describe()), content_type="application/json")
