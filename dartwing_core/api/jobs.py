"""The endpoints, under the address of all: `/api/method/dartwing_core.api.jobs.<name>`.

An endpoint calls an operation of `dartwing_core.jobs`, and answers. Its decorator reads the arguments of a request, by
their names and annotations. `docs/openapi.json` is made from the same.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any
from urllib.parse import quote

import frappe
from frappe import _
from frappe.utils.response import send_private_file
from werkzeug.wrappers import Response

from dartwing_core import jobs as engine
from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.errors import InvalidJobError, RateLimitError
from dartwing_core.jobs.job import job_files
from dartwing_core.jobs.lib import clock, named_locks
from dartwing_core.jobs.operations import batches
from dartwing_core.jobs.read import details, waiting_reason
from dartwing_core.jobs.status import FINISHED, JobStatus

from . import answers, openapi, rate_limits
from .answers import BatchStatus, Frequency, Priority, Status, Unit
from .arguments import (
    JSON,
    AvailableAt,
    Callback,
    JobIds,
    Parameters,
    Reason,
    SubmitJob,
    SubmitJobs,
    Text,
    about,
)
from .endpoints import REPEATABLE, endpoint

MOST_SECONDS = 20
CALLS_AT_ONCE = 2
"""Calls of one user that may wait. Each holds a web process."""
PAUSE = 0.25


# Operations of the engine that answer as they are -------------------------------------------------------------------

get_job_status = endpoint("GET", "status", answers.JobStatusAnswer)(engine.get_job_status)
get_job_details = endpoint("GET", "status", answers.JobDetails)(engine.get_job_details)
get_job_history = endpoint("GET", "status", answers.History)(engine.get_job_history)
get_batch_status = endpoint("GET", "status", answers.BatchStatusAnswer)(engine.get_batch_status)
get_schedule = endpoint("GET", "status", answers.ScheduleAnswer)(engine.get_schedule)
get_job_type_overview = endpoint("GET", "status", answers.JobTypeOverview)(engine.get_job_type_overview)
list_schedules = endpoint("GET", "list", answers.ScheduleList)(engine.list_schedules)
list_job_types = endpoint("GET", "list", answers.JobTypes)(engine.list_job_types)
get_job_counts = endpoint("GET", "list", answers.JobCounts)(engine.get_job_counts)
get_execution_time_stats = endpoint("GET", "metrics", answers.ExecutionTimes)(engine.get_execution_time_stats)


# Submit --------------------------------------------------------------------------------------------------------------


@endpoint("POST", "submit", answers.Submitted, SubmitJob)
def submit_job(**job: Any) -> dict[str, Any]:
    """Submit a job.

    If an equal job exists: answer 409, return that job, or replace its parameters until its first attempt. The header
    Idempotency-Key is a `dedup_key` for a client that repeats its request: the answer is that of the first one.
    """
    if "dedup_key" not in job and (key := _repeatable()):
        # Clients of other users may choose the same key. The first job may have ended.
        own = hashlib.sha256(f"{frappe.session.user}\n{key}".encode()).hexdigest()
        job |= {"dedup_key": own, "deduplication": "within_window"}
        if job.get("on_duplicate", "raise") == "raise":
            job["on_duplicate"] = "return"
    return _told(engine.submit_job(**job), _("Job submitted successfully"))


@endpoint("POST", "submit", answers.SubmittedJobs, SubmitJobs)
def submit_jobs(jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """Submit several jobs, all or none."""
    _refuse_repeatable(_("Give each job a dedup_key instead."))
    rate_limits.count_jobs("submit", len(jobs))
    made = engine.submit_jobs(jobs)
    return {
        "jobs": [{"job_id": job.name, "status": job.status} for job in made],
        "message": _("Jobs submitted successfully"),
    }


@endpoint("POST", "submit", answers.BatchIdAndStatus)
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
    _refuse_repeatable(_("Give each job a dedup_key instead."))
    rate_limits.count_jobs("submit", batches.count_jobs(jobs))
    batch = engine.submit_batch(organization, jobs, on_complete, on_success, on_failure, description)
    return _batch_told(batch, _("Batch submitted successfully"))


@endpoint("POST", "submit", answers.Submitted)
def run_schedule_now(schedule_id: str) -> dict[str, Any]:
    """Submit the job of a schedule once more, beside its due times."""
    _refuse_repeatable(_("Leave it out."))
    return _told(engine.run_schedule_now(schedule_id), _("Job submitted successfully"))


def _repeatable() -> str | None:
    request = getattr(frappe.local, "request", None)
    return request.headers.get(REPEATABLE) if request else None


def _refuse_repeatable(advice: str) -> None:
    if _repeatable():
        raise InvalidJobError(f"{_('{0} counts for submit_job alone.').format(REPEATABLE)} {advice}")


def _told(job: Any, message: str) -> dict[str, Any]:
    return {"job_id": job.name, "status": job.status, "message": message}


def _batch_told(batch: Any, message: str) -> dict[str, Any]:
    return {"batch_id": batch.name, "status": batch.status, "size": batch.size, "message": message}


# Change --------------------------------------------------------------------------------------------------------------


@endpoint("POST", "cancel", answers.Submitted)
def cancel_job(job_id: str, reason: Reason = None) -> dict[str, Any]:
    """Cancel a waiting job, or ask a running one to stop."""
    job = engine.cancel_job(job_id, reason=reason)
    is_over = job.status == JobStatus.CANCELED
    return _told(job, _("Job canceled successfully") if is_over else _("The job is being canceled."))


@endpoint("POST", "cancel", answers.Bulk)
def cancel_jobs(job_ids: JobIds, reason: Reason = None) -> dict[str, Any]:
    """Cancel several jobs. A job that can't be canceled stops none of the others."""
    rate_limits.count_jobs("cancel", len(job_ids))
    return engine.cancel_jobs(job_ids, reason=reason)


@endpoint("POST", "cancel", answers.BatchIdAndStatus)
def cancel_batch(batch_id: str, reason: Reason = None) -> dict[str, Any]:
    """Cancel the waiting jobs of a batch, and ask the running ones to stop."""
    return _batch_told(engine.cancel_batch(batch_id, reason=reason), _("Batch is being canceled"))


@endpoint("POST", "submit", answers.Submitted)
def retry_job(job_id: str, parameters: Parameters = None) -> dict[str, Any]:
    """Start a fresh series of attempts of a failed job, perhaps with other parameters."""
    return _told(engine.retry_job(job_id, parameters=parameters), _("Job re-queued for execution"))


@endpoint("POST", "submit", answers.Bulk)
def retry_jobs(job_ids: JobIds) -> dict[str, Any]:
    """Start a fresh series of attempts of several failed jobs. A job that can't be retried stops none of the others."""
    rate_limits.count_jobs("submit", len(job_ids))
    return engine.retry_jobs(job_ids)


@endpoint("POST", "submit", answers.BatchRetry)
def retry_batch(batch_id: str) -> dict[str, Any]:
    """Start a fresh series of attempts of all jobs of a batch that have failed."""
    found = engine.retry_batch(batch_id)
    rate_limits.count_retried(found["retried"] + len(found["skipped"]))
    return found


@endpoint("POST", "submit", answers.RetriedByError)
def retry_dead_letters(
    fingerprints: Annotated[list[Text], JSON, about("Of errors, as the report Dead Letters by Error has them")],
    organization: str | None = None,
    job_type: str | None = None,
) -> dict[str, Any]:
    """Retry the Dead Letter jobs that you may see with these kinds of errors, the oldest 500."""
    found = engine.retry_dead_letters(fingerprints, organization, job_type)
    rate_limits.count_retried(len(found["done"]) + len(found["refused"]))
    return found


@endpoint("POST", "submit", answers.BulkRetry)
def bulk_retry_dead_letter(
    organization: str | None = None, job_type: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Retry Dead Letter jobs that you may see, oldest first."""
    found = engine.bulk_retry_dead_letter(organization, job_type, limit)
    rate_limits.count_retried(len(found["retried"]) + len(found["skipped"]))
    return found


@endpoint("POST", "submit", answers.DueAgain)
def reschedule_job(job_id: str, available_at: AvailableAt) -> dict[str, Any]:
    """Let a pending job start at another time."""
    return _due_again(engine.reschedule_job(job_id, available_at), _("Job rescheduled"))


@endpoint("POST", "submit", answers.DueAgain)
def run_now(job_id: str) -> dict[str, Any]:
    """Skip the wait of a job for its time or its retry. The job may still wait for another reason."""
    return _due_again(engine.run_now(job_id), _("Job is due now"))


def _due_again(job: Any, done: str) -> dict[str, Any]:
    reason = waiting_reason.of_job(job.get_valid_dict(ignore_virtual=True))
    told = _told(job, f"{done}. {reason}" if reason else done)
    return {**told, "available_at": clock.iso(job.due_epoch), "waiting_reason": reason}


@endpoint("POST", "cancel", answers.Bulk)
def delete_jobs(job_ids: JobIds) -> dict[str, Any]:
    """Delete several jobs that are over, with their history. System Manager only."""
    rate_limits.count_jobs("cancel", len(job_ids))
    return engine.delete_jobs(job_ids)


@endpoint("POST", "cancel", answers.Deleted)
def delete_dead_letter_job(job_id: str) -> dict[str, Any]:
    """Delete a Dead Letter job with its history; System Manager only."""
    engine.delete_dead_letter_job(job_id)
    return {"job_id": job_id, "message": _("Job deleted")}


@endpoint("POST", "cancel", answers.ManuallyClosed)
def manually_close_circuit(job_type: str, organization: str) -> dict[str, Any]:
    """Close a circuit by hand: its jobs may start before the cool-down is over."""
    closed = engine.manually_close_circuit(job_type, organization)
    told = {key: closed[key] for key in ("circuit_id", "job_type", "organization", "organization_name", "status")}
    return {**told, "message": _("Circuit closed")}


# One job, batch or schedule ------------------------------------------------------------------------------------------


@endpoint("GET", "status", answers.JobStatusAnswer)
def wait_for_job(job_id: str, seconds: Annotated[int, about("At most 20")] = MOST_SECONDS) -> dict[str, Any]:
    """State, progress and outcome of a job once it has ended, or after so many seconds.

    Two calls of a user may wait at once.
    """
    deadline = time.monotonic() + min(max(seconds, 0), MOST_SECONDS)
    with _place_to_wait(frappe.session.user):
        while True:
            shown = engine.get_job_status(job_id)  # checks the permission each time
            if shown["status"] in FINISHED or time.monotonic() >= deadline:
                return shown
            time.sleep(PAUSE)
            frappe.db.rollback()  # to see what others commit
            visibility.forget()
            frappe.local.cache.clear()  # roles, as Frappe keeps them within a request


@contextmanager
def _place_to_wait(user: str) -> Iterator[None]:
    """Hold one of the user's places while entered. The server frees those of a process that has died."""
    locks = (named_locks.named_lock(f"wait:{number}:{user}") for number in range(CALLS_AT_ONCE))
    with ExitStack() as held:
        if not any(held.enter_context(lock) for lock in locks):
            text = _("You wait for {0} jobs at once already. Wait for one of them, or ask for the status.")
            raise RateLimitError(text.format(CALLS_AT_ONCE), 1)
        yield


@endpoint("GET", "status", bytes)
def download_file(job_id: str, name: Annotated[Text, about("As get_job_details lists it")]) -> Response:
    """The bytes of a file that a job has made, not in `message`.

    For users who may see the job's result. The answer says to save the file, and not to show it.
    """
    file = details.visible_file(job_id, name)
    made = send_private_file(f"files/{job_files.NAME}/{file['path']}")
    made.headers["Content-Type"] = file["type"]
    made.headers.pop("Content-Encoding", None)  # Frappe 16's, for a `.gz`: it would arrive unpacked
    made.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file['name'], safe='')}"
    made.headers["X-Content-Type-Options"] = "nosniff"
    made.headers["Cache-Control"] = "private, no-cache"  # browsers ask again: who may read the file can change
    return made


@endpoint("GET", "status", answers.NextRuns)
def preview_schedule(
    frequency: Frequency = "Cron",
    cron: Annotated[Text | None, about("Minute, hour, day, month and weekday, such as 30 7 * * mon-fri")] = None,
    every: Annotated[int | None, about("The interval, as a number of `every_unit`")] = None,
    every_unit: Unit | None = None,
    time_zone: Annotated[Text | None, about("Such as Europe/Berlin; the site's by default")] = None,
) -> dict[str, Any]:
    """The next due times of a schedule, if it were saved with these values now."""
    return {"next_runs": engine.preview_schedule(frequency, cron, every, every_unit, time_zone)}


# Lists ---------------------------------------------------------------------------------------------------------------


@endpoint("GET", "list", answers.JobList)
def list_jobs(
    organization: str | None = None,
    status: Status | None = None,
    job_type: str | None = None,
    limit: int = 20,
    offset: int = 0,
    priority: Priority | None = None,
    owner_user: Annotated[Text | None, about("Only jobs of this user")] = None,
    from_date: Annotated[Text | None, about("Made at this time (ISO 8601) or later")] = None,
    to_date: Annotated[Text | None, about("Made at this time (ISO 8601) or before")] = None,
    order_by: Annotated[
        Text, about("creation, modified, status, priority or a time, with asc or desc")
    ] = "creation desc",
    batch: Annotated[Text | None, about("Only jobs of this batch")] = None,
    schedule: Annotated[Text | None, about("Only jobs of this schedule")] = None,
    reference_doctype: Annotated[
        Text | None, about("Only jobs about a document of this DocType, with reference_name")
    ] = None,
    reference_name: Annotated[Text | None, about("The name of that document")] = None,
    tag: Annotated[Text | None, about("Only jobs with this tag, among the newest 10,000")] = None,
) -> dict[str, Any]:
    """Jobs that you may see, newest first."""
    reference = (reference_doctype, reference_name) if reference_doctype or reference_name else None
    filters = (priority, owner_user, from_date, to_date, order_by, batch, schedule, reference, tag)
    return engine.list_jobs(organization, status, job_type, limit, offset, *filters)


@endpoint("GET", "list", answers.DeadLetters)
def get_dead_letter_jobs(organization: str | None = None, limit: int = 100) -> dict[str, Any]:
    """Dead Letter jobs that you may see, newest first."""
    return {"jobs": engine.get_dead_letter_jobs(organization, limit)}


@endpoint("GET", "list", answers.BatchList)
def list_batches(
    organization: str | None = None,
    status: BatchStatus | None = None,
    limit: int = 20,
    offset: int = 0,
) -> dict[str, Any]:
    """Batches that you may see, newest first."""
    return engine.list_batches(organization, status, limit, offset)


@endpoint("GET", "list", answers.OpenCircuits)
def get_open_circuits(organization: str | None = None) -> dict[str, Any]:
    """Circuits that stop jobs, in organizations that you administer, newest first."""
    return {"circuits": engine.get_open_circuits(organization)}


@endpoint("GET", "list", dict)
def get_openapi() -> Response:
    """This description itself, not in `message`."""
    return Response(json.dumps(openapi.describe()), content_type="application/json")


# Figures -------------------------------------------------------------------------------------------------------------


@endpoint("GET", "metrics", answers.Metrics)
def get_job_metrics(organization: str | None = None, hours: int = 24) -> dict[str, Any]:
    """Counts of jobs by status and of waiting jobs, processing times and failure rates."""
    return engine.get_metrics(organization, hours)


@endpoint("GET", "metrics", answers.SlowJobs)
def get_slowest_jobs(
    organization: str | None = None,
    job_type: str | None = None,
    hours: int = 24,
    limit: int = 10,
) -> dict[str, Any]:
    """The completed jobs with the longest execution times."""
    return {"jobs": engine.get_slowest_jobs(organization, job_type, hours, limit)}
