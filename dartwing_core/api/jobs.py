"""The endpoints, under the address of all: `/api/method/dartwing_core.api.jobs.<name>`.

An endpoint is an operation of `dartwing_core.jobs`, or calls one. `tell` makes its answer of what it returns.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import ExitStack
from typing import Annotated, Any
from urllib.parse import quote

import frappe
from frappe import _
from frappe.utils.response import send_private_file
from pydantic import create_model
from werkzeug.wrappers import Response

from dartwing_core import jobs as engine
from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.errors import RateLimitError
from dartwing_core.jobs.job import job_files
from dartwing_core.jobs.lib import clock, sql
from dartwing_core.jobs.operations import batches
from dartwing_core.jobs.read import waiting_reason
from dartwing_core.jobs.read.jobs import visible_file
from dartwing_core.jobs.status import FINISHED, JobStatus

from . import answers, openapi
from .answers import BatchStatus, Status
from .arguments import JSON, LIST, STATUSES, Callback, Text, about, model_of
from .endpoints import REPEATABLE, get, post

MOST_SECONDS = 20
CALLS_AT_ONCE = 2
"""Calls of one user that may wait. Each holds a web process."""
PAUSE = 0.25


def _told(job: Any, message: str, **more: Any) -> dict[str, Any]:
    return {"job_id": job.name, "status": job.status, **more, "message": message}


def _batch_told(batch: Any, message: str) -> dict[str, Any]:
    return {"batch_id": batch.name, "status": batch.status, "size": batch.size, "message": message}


def _canceled(job: Any) -> dict[str, Any]:
    is_over = job.status == JobStatus.CANCELED
    return _told(job, _("Job canceled successfully") if is_over else _("The job is being canceled."))


def _due_again(job: Any, done: str) -> dict[str, Any]:
    reason = waiting_reason.of_job(job.get_valid_dict(ignore_virtual=True))
    message = f"{done}. {reason}" if reason else done
    return _told(job, message, available_at=clock.iso(job.due_epoch), waiting_reason=reason)


def _closed(circuit: dict[str, Any]) -> dict[str, Any]:
    told = {**circuit, "message": _("Circuit closed")}
    return {name: told[name] for name in answers.ManuallyClosed.model_fields}


# Submit --------------------------------------------------------------------------------------------------------------


SubmitJob = model_of(engine.submit_job)
JobRequest = create_model(
    "JobRequest",
    __base__=SubmitJob,
    __doc__="The arguments of submit_job, and a `key`, by which `depends_on` of others may name the job.",
    key=(Text | None, None),
)


@post("submit", answers.Submitted, SubmitJob)
def submit_job(**job: Any) -> dict[str, Any]:
    """Submit a job.

    If an equal job exists: answer 409, return that job, or replace its parameters until its first attempt. The header
    Idempotency-Key is a `dedup_key` for a client that repeats its request: a request with the same key, type and
    organization is answered as the first one.
    """
    request = getattr(frappe.local, "request", None)
    key = request.headers.get(REPEATABLE) if request else None
    if key and "dedup_key" not in job:
        # Clients of other users may choose the same key. The first job may have ended.
        own = hashlib.sha256(f"{frappe.session.user}\n{key}".encode()).hexdigest()
        job |= {"dedup_key": own, "deduplication": "within_window"}
        if job.get("on_duplicate", "raise") == "raise":
            job["on_duplicate"] = "return"
    return _told(engine.submit_job(**job), _("Job submitted successfully"))


@post("submit", answers.SubmittedJobs, size=lambda given: len(given["jobs"]))
def submit_jobs(
    jobs: Annotated[list[JobRequest], JSON, about("Each with the arguments of submit_job")],  # type: ignore[valid-type]
) -> dict[str, Any]:
    """Submit several jobs, all or none."""
    made = engine.submit_jobs(jobs)
    return {
        "jobs": [{"job_id": job.name, "status": job.status} for job in made],
        "message": _("Jobs submitted successfully"),
    }


@post("submit", answers.BatchIdAndStatus, size=lambda given: batches.count_jobs(given["jobs"]))
def submit_batch(
    jobs: Annotated[
        list[dict[str, Any]], JSON, about('Jobs as of submit_jobs, {"chain": [part, …]} or {"group": [part, …]}')
    ],
    organization: str | None = None,
    on_complete: Callback = None,
    on_success: Callback = None,
    on_failure: Callback = None,
    description: Annotated[Text | None, about("For people")] = None,
) -> dict[str, Any]:
    """Submit jobs that are watched, canceled and retried as a whole. All jobs are submitted or none."""
    batch = engine.submit_batch(organization, jobs, on_complete, on_success, on_failure, description)
    return _batch_told(batch, _("Batch submitted successfully"))


run_schedule_now = post("submit", answers.Submitted, tell=lambda job: _told(job, _("Job submitted successfully")))(
    engine.run_schedule_now
)


# Change --------------------------------------------------------------------------------------------------------------

cancel_job = post("cancel", answers.Submitted, tell=_canceled)(engine.cancel_job)
cancel_jobs = post("cancel", answers.Bulk)(engine.cancel_jobs)
cancel_all_jobs = post("cancel", answers.CanceledAll)(engine.cancel_all_jobs)
cancel_batch = post(
    "cancel", answers.BatchIdAndStatus, tell=lambda batch: _batch_told(batch, _("Batch is being canceled"))
)(engine.cancel_batch)
retry_job = post("submit", answers.Submitted, tell=lambda job: _told(job, _("Job re-queued for execution")))(
    engine.retry_job
)
retry_jobs = post("submit", answers.Bulk)(engine.retry_jobs)
retry_batch = post("submit", answers.BatchRetry)(engine.retry_batch)
bulk_retry_dead_letter = post("submit", answers.BulkRetry)(engine.bulk_retry_dead_letter)
reschedule_job = post("submit", answers.DueAgain, tell=lambda job: _due_again(job, _("Job rescheduled")))(
    engine.reschedule_job
)
run_now = post("submit", answers.DueAgain, tell=lambda job: _due_again(job, _("Job is due now")))(engine.run_now)
delete_jobs = post("cancel", answers.Bulk)(engine.delete_jobs)
manually_close_circuit = post("cancel", answers.ManuallyClosed, tell=_closed)(engine.manually_close_circuit)


@post("cancel", answers.Deleted)
def delete_dead_letter_job(job_id: str) -> dict[str, Any]:
    """Delete a Dead Letter job with its history; System Manager only."""
    engine.delete_dead_letter_job(job_id)
    return {"job_id": job_id, "message": _("Job deleted")}


# One job, batch, schedule or type ------------------------------------------------------------------------------------

get_job_status = get("status", answers.JobStatusAnswer)(engine.get_job_status)
get_job_details = get("status", answers.JobDetails)(engine.get_job_details)
get_job_history = get("status", answers.History)(engine.get_job_history)
get_batch_status = get("status", answers.BatchStatusAnswer)(engine.get_batch_status)
get_schedule = get("status", answers.ScheduleAnswer)(engine.get_schedule)
get_job_type_overview = get("status", answers.JobTypeOverview)(engine.get_job_type_overview)
preview_schedule = get("status", answers.NextRuns, tell=lambda moments: {"next_runs": moments})(engine.preview_schedule)


@get("status", answers.JobStatusAnswer)
def wait_for_job(job_id: str, seconds: Annotated[int, about("At most 20")] = MOST_SECONDS) -> dict[str, Any]:
    """State, progress and outcome of a job once it has ended, or after so many seconds.

    Two calls of a user may wait at once.
    """
    deadline, user = time.monotonic() + min(max(seconds, 0), MOST_SECONDS), frappe.session.user
    places = (sql.named_lock(f"wait:{number}:{user}") for number in range(CALLS_AT_ONCE))
    with ExitStack() as held:  # the database frees the places of a process that has died
        if not any(held.enter_context(place) for place in places):
            text = _("You are already waiting for {0} jobs. Wait for one of them, or call get_job_status.")
            raise RateLimitError(text.format(CALLS_AT_ONCE), 1)
        while True:
            shown = engine.get_job_status(job_id)  # checks the permission each time
            if shown["status"] in FINISHED or time.monotonic() >= deadline:
                return shown
            time.sleep(PAUSE)
            frappe.db.rollback()  # to see what others commit
            visibility.forget()
            frappe.local.cache.clear()  # roles, as Frappe keeps them within a request


@get("status", bytes)
def download_file(job_id: str, name: Annotated[Text, about("As get_job_details lists it")]) -> Response:
    """The bytes of a file that a job has made, not in `message`.

    For users who may see the job's result. The answer says to save the file, and not to show it.
    """
    file = visible_file(job_id, name)
    made = send_private_file(f"files/{job_files.NAME}/{file['path']}")
    made.headers["Content-Type"] = file["type"]
    made.headers.pop("Content-Encoding", None)  # Frappe 16's, for a `.gz`: it would arrive unpacked
    made.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file['name'], safe='')}"
    made.headers["X-Content-Type-Options"] = "nosniff"
    made.headers["Cache-Control"] = "private, no-cache"  # browsers ask again: who may read the file can change
    return made


# Lists ---------------------------------------------------------------------------------------------------------------


ListJobs = model_of(
    engine.list_jobs,
    status=Annotated[Status | list[Status], STATUSES, LIST, about("In this state, or in one of these")],
    reference=None,
    reference_doctype=Annotated[Text, about("Only jobs about a document of this DocType, with reference_name")],
    reference_name=Annotated[Text, about("The name of that document")],
)


@get("list", answers.JobList, ListJobs)
def list_jobs(
    reference_doctype: str | None = None, reference_name: str | None = None, **filters: Any
) -> dict[str, Any]:
    """Jobs that you may see, newest first."""
    is_about = bool(reference_doctype or reference_name)
    return engine.list_jobs(reference=(reference_doctype, reference_name) if is_about else None, **filters)


list_batches = get("list", answers.BatchList, model_of(engine.list_batches, status=BatchStatus))(engine.list_batches)
list_schedules = get("list", answers.ScheduleList)(engine.list_schedules)
list_job_types = get("list", answers.JobTypes)(engine.list_job_types)
get_dead_letter_jobs = get("list", answers.DeadLetters, tell=lambda jobs: {"jobs": jobs})(engine.get_dead_letter_jobs)
get_holdups = get("list", answers.Holdups, tell=lambda found: {"holdups": found})(engine.get_holdups)
get_open_circuits = get("list", answers.OpenCircuits, tell=lambda found: {"circuits": found})(engine.get_open_circuits)


@get("list", dict)
def get_openapi() -> Response:
    """This description itself, not in `message`."""
    return Response(json.dumps(openapi.describe()), content_type="application/json")


# Figures -------------------------------------------------------------------------------------------------------------

get_job_counts = get("list", answers.JobCounts)(engine.get_job_counts)
get_execution_time_stats = get("metrics", answers.ExecutionTimes)(engine.get_execution_time_stats)
get_slowest_jobs = get("metrics", answers.SlowJobs, tell=lambda jobs: {"jobs": jobs})(engine.get_slowest_jobs)


@get("metrics", answers.Metrics)
def get_job_metrics(organization: str | None = None, hours: int = 24) -> dict[str, Any]:
    """Counts of jobs by status and of waiting jobs, processing times and failure rates."""
    return engine.get_metrics(organization, hours)
