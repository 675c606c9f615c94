"""A client of the job engine's REST API, in one file without dependencies: copy it into your project.

    jobs = Client("https://example.com", "API_KEY", "API_SECRET")
    job = jobs.submit_job("echo_job", organization="Acme", parameters={"hello": "world"})
    print(jobs.wait_until_ended(job["job_id"])["status"])

Python 3.11 or newer. `./dev api` makes this file from the endpoints; docs/rest_api.md explains the calls.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Literal, NotRequired, TypedDict

ENDED = ("Completed", "Dead Letter", "Canceled")
"""The statuses that a job keeps, unless somebody retries it."""


class ApiError(Exception):
    """An answer that is an error.

    `status`: HTTP's. `kind`: for programs, such as "not_found" or "rate_limited". `answer`: the whole body.
    `retry_after`: seconds after which the call may succeed, or None.
    """

    def __init__(self, status: int, answer: dict[str, Any]):
        super().__init__(answer.get("message") or f"HTTP {status}")
        self.status, self.answer = status, answer
        self.kind = answer.get("error", "unknown")
        self.retry_after = answer.get("retry_after")


class Attempt(TypedDict):
    """One attempt of a job. `outcome`: the status with which it ended. `traceback` is only for administrators,
    `worker` only for System Managers. `parameters`: those it ran with, if the job was retried with others since,
    else null.
    """

    attempt: int
    outcome: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"] | None
    worker: str | None
    started_at: str | None
    ended_at: str | None
    duration: float | None
    error_message: str | None
    traceback: str | None
    log: list[LogLine]
    parameters: Any


class BatchIdAndStatus(TypedDict):
    """A batch that was submitted or is being canceled."""

    batch_id: str
    status: Literal["Running", "Completed", "Failed", "Canceled"]
    size: int
    message: str


class BatchList(TypedDict):
    """One page. `total`: the number of matching batches, up to 10,000."""

    batches: list[ListedBatch]
    total: int
    limit: int
    offset: int


class BatchName(TypedDict):
    batch_id: str
    description: str | None
    status: Literal["Running", "Completed", "Failed", "Canceled"]


class BatchRetry(TypedDict):
    """`retried`: the number of jobs. `skipped`: the reason for each of the others."""

    batch_id: str
    retried: int
    skipped: dict[str, str]


class BatchStatusAnswer(TypedDict):
    """A batch with its progress: the percentage of its jobs that have ended."""

    batch_id: str
    organization: str
    organization_name: str
    owner_user: str
    description: str | None
    status: Literal["Running", "Completed", "Failed", "Canceled"]
    size: int
    created_at: str
    completed_at: str | None
    cancel_requested: bool
    canceled_by: str | None
    on_complete_job: str | None
    on_success_job: str | None
    on_failure_job: str | None
    job_count_by_status: dict[str, int]
    progress: float


class Bulk(TypedDict):
    """`done`: jobs that were changed. `refused`: the reason for each of the others."""

    done: list[str]
    refused: dict[str, str]


class BulkRetry(TypedDict):
    """`retried`: ids of jobs. `skipped`: the reason for each of the others."""

    retried: list[str]
    skipped: dict[str, str]


class DeadLetters(TypedDict):
    jobs: list[ListedJob]


class Deleted(TypedDict):
    job_id: str
    message: str


class DifferenceFromCode(TypedDict):
    """A field of a Job Type: its value on the site, and the one that code declares."""

    label: str
    here: str
    code: str


class DueAgain(TypedDict):
    """A job with another due time. `waiting_reason`: why the job still waits."""

    job_id: str
    status: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"]
    message: str
    available_at: str
    waiting_reason: str | None


class DuplicateError(TypedDict):
    """Names the equal job. Both fields are null if you may not see it."""

    error: Literal["invalid", "wrong_state", "unauthorized", "forbidden", "not_found", "duplicate", "rate_limited", "queue_full", "busy", "internal"]
    message: str
    exc_type: str
    existing_job_id: str | None
    status: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"] | None


class Error(TypedDict):
    """The body of every error answer. `message` is for people, in their language."""

    error: Literal["invalid", "wrong_state", "unauthorized", "forbidden", "not_found", "duplicate", "rate_limited", "queue_full", "busy", "internal"]
    message: str
    exc_type: str


class Event(TypedDict):
    """One change of a job's status. `retry_attempt`: the retries so far. `worker`: only for System Managers."""

    from_status: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"] | None
    to_status: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"]
    timestamp: str
    actor: str
    message: str | None
    retry_attempt: int
    duration: float | None
    worker: str | None


class ExecutionTimes(TypedDict):
    average_seconds: float | None
    p95_seconds: float | None
    count: int
    min_seconds: float | None
    max_seconds: float | None
    p50_seconds: float | None


class File(TypedDict):
    """A file that a job has made. `size`: bytes. `type`: the MIME type. `file_url`: its address on this site."""

    name: str
    size: int
    type: str
    file_url: str


class History(TypedDict):
    """Status changes of a job, oldest first."""

    job_id: str
    history: list[Event]


class JobAndStatus(TypedDict):
    job_id: str
    status: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"]


class JobCounts(TypedDict):
    """Counts, each up to 10,000. `today` and `day_ago`: the moments from which failures count."""

    running: int
    waiting: int
    failed_today: int
    failed_in_24_hours: int
    dead_letter: int
    today: str
    day_ago: str


class JobDetails(TypedDict):
    """All details of a job, for a page that shows it, and allowed operations. `files` are empty for those who may
    not see the result.
    """

    job_id: str
    title: str | None
    tags: list[str]
    reference_doctype: str | None
    reference_name: str | None
    job_type: str
    organization: str
    organization_name: str
    status: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"]
    priority: Literal["Low", "Normal", "High", "Critical"]
    progress: float
    progress_message: str | None
    owner_user: str
    attempt: int
    created_at: str
    available_at: str | None
    started_at: str | None
    completed_at: str | None
    retry_count: int
    max_retries: int
    next_retry_at: str | None
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
    canceled_at: str | None
    canceled_by: str | None
    cancel_reason: str | None
    result: Any
    depends_on: str | None
    parents: list[str]
    on_parent_failure: Literal["cancel", "dead_letter", "run"] | None
    key: str | None
    schedule: str | None
    parent_batch: str | None
    result_is_hidden: bool
    queue: str | None
    callback_of: str | None
    parameters: Any
    files: list[File]
    attempts: list[Attempt]
    relatives: Relatives
    batch: BatchName | None
    history: list[Event]
    can_edit: bool
    can_delete: bool


class JobList(TypedDict):
    """One page. `total`: the number of matching jobs, up to 10,000."""

    jobs: list[ListedJob]
    total: int
    limit: int
    offset: int


class JobRequest(TypedDict):
    """The arguments of submit_job, and a `key`, by which `depends_on` of others may name the job."""

    job_type: NotRequired[str]
    organization: NotRequired[str]
    parameters: NotRequired[dict[str, Any] | None]
    priority: NotRequired[Literal["Low", "Normal", "High", "Critical"] | None]
    depends_on: NotRequired[str | list[str] | None]
    available_at: NotRequired[str | float | None]
    dedup_key: NotRequired[str | None]
    on_duplicate: NotRequired[Literal["raise", "return", "replace"]]
    on_parent_failure: NotRequired[Literal["cancel", "dead_letter", "run"]]
    deduplication: NotRequired[Literal["while_unfinished", "within_window", "never"] | None]
    timeout: NotRequired[int | None]
    max_retries: NotRequired[int | None]
    title: NotRequired[str | None]
    reference: NotRequired[Reference | None]
    tags: NotRequired[list[str] | None]
    key: NotRequired[str | None]


class JobStatusAnswer(TypedDict):
    """State, progress and outcome of a job. `result_is_hidden`: you may see the job, but not its result and files."""

    job_id: str
    title: str | None
    tags: list[str]
    reference_doctype: str | None
    reference_name: str | None
    job_type: str
    organization: str
    organization_name: str
    status: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"]
    priority: Literal["Low", "Normal", "High", "Critical"]
    progress: float
    progress_message: str | None
    owner_user: str
    attempt: int
    created_at: str
    available_at: str | None
    started_at: str | None
    completed_at: str | None
    retry_count: int
    max_retries: int
    next_retry_at: str | None
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
    canceled_at: str | None
    canceled_by: str | None
    cancel_reason: str | None
    result: Any
    depends_on: str | None
    parents: list[str]
    on_parent_failure: Literal["cancel", "dead_letter", "run"] | None
    key: str | None
    schedule: str | None
    parent_batch: str | None
    result_is_hidden: bool


class JobType(TypedDict):
    """A Job Type. `schema`: the JSON Schema of the parameters, if it is known."""

    job_type: str
    display_name: str
    description: str
    schema: dict[str, Any] | None
    priority: Literal["Low", "Normal", "High", "Critical"]
    timeout_seconds: int
    max_retries: int
    is_paused: bool


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


class JobTypes(TypedDict):
    job_types: list[JobType]


class ListedBatch(TypedDict):
    """A batch in a list; `size` is the number of jobs that were submitted with it."""

    batch_id: str
    organization: str
    organization_name: str
    owner_user: str
    description: str | None
    status: Literal["Running", "Completed", "Failed", "Canceled"]
    size: int
    created_at: str
    completed_at: str | None
    cancel_requested: bool
    canceled_by: str | None
    on_complete_job: str | None
    on_success_job: str | None
    on_failure_job: str | None


class ListedJob(TypedDict):
    """A job in a list. Times are ISO 8601 with offset.  `title`: a name that tells the job from others of its type.
    `reference_doctype` and `reference_name`: the document that it is about. `waiting_reason`: why the job is not
    running yet. `cancel_requested`: whether the running job was asked to stop. `output_url`: the address on this
    site of the file that is the job's outcome.
    """

    job_id: str
    title: str | None
    tags: list[str]
    reference_doctype: str | None
    reference_name: str | None
    job_type: str
    organization: str
    organization_name: str
    status: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"]
    priority: Literal["Low", "Normal", "High", "Critical"]
    progress: float
    progress_message: str | None
    owner_user: str
    attempt: int
    created_at: str
    available_at: str | None
    started_at: str | None
    completed_at: str | None
    retry_count: int
    max_retries: int
    next_retry_at: str | None
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


class ListedSchedule(TypedDict):
    """A schedule in a list. `last_error`: why a due time got no job. `refusals`: due times without a job in a row."""

    schedule_id: str
    title: str
    organization: str
    organization_name: str
    owner_user: str
    enabled: bool
    frequency: Literal["Cron", "Interval"]
    cron: str | None
    every: int
    every_unit: Literal["Minutes", "Hours", "Days"] | None
    time_zone: str
    job_type: str
    priority: Literal["Low", "Normal", "High", "Critical"] | None
    missed_runs: Literal["Skip", "Run Once", "Catch Up"]
    catch_up_limit: int
    next_run: str | None
    last_run: str | None
    last_job: str | None
    last_error: str | None
    last_error_at: str | None
    refusals: int


class LogLine(TypedDict):
    """A line that a handler has logged."""

    logged_at: str
    level: Literal["debug", "info", "warning", "error"]
    text: str


class ManuallyClosed(TypedDict):
    """A circuit that was closed."""

    circuit_id: str
    job_type: str
    organization: str
    organization_name: str
    status: Literal["Open", "Half Open", "Closed"]
    message: str


class Metrics(TypedDict):
    """Figures of the jobs that you may see. Times and failure rates (0 to 1) are of jobs of the last hours."""

    job_count_by_status: dict[str, int]
    queue_depth_by_priority: dict[str, int]
    processing_time: ProcessingTime
    failure_rate_by_type: dict[str, float]
    processing_time_by_type: dict[str, float | None]
    p95_seconds_by_type: dict[str, float | None]
    timestamp: str


class NextRuns(TypedDict):
    next_runs: list[str]


class OpenCircuit(TypedDict):
    """Jobs of this type and organization do not start until `open_until`. Then one of them, `probe_job`, is tried.
    When the circuit opened, `failures` of `samples` attempts had failed.
    """

    circuit_id: str
    job_type: str
    organization: str
    organization_name: str
    status: Literal["Open", "Half Open"]
    opened_at: str
    open_until: str
    failures: int
    samples: int
    probe_job: str | None


class OpenCircuits(TypedDict):
    circuits: list[OpenCircuit]


class ProcessingTime(TypedDict):
    average_seconds: float | None
    p95_seconds: float | None


class RateError(TypedDict):
    """`retry_after`: seconds, as in the header Retry-After."""

    error: Literal["invalid", "wrong_state", "unauthorized", "forbidden", "not_found", "duplicate", "rate_limited", "queue_full", "busy", "internal"]
    message: str
    exc_type: str
    retry_after: int


class Reference(TypedDict):
    """A document that a job is about."""

    doctype: str
    name: str


class Relative(TypedDict):
    """Another job. Type and status are null if you may not see the job, or if it is deleted."""

    job_id: str
    job_type: str | None
    status: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"] | None


class Relatives(TypedDict):
    """The jobs that this one depends on, and those that depend on it."""

    parents: list[Relative]
    children: list[Relative]
    has_more_children: bool


class RetriedByError(TypedDict):
    """`left`: the number of further jobs with these errors."""

    done: list[str]
    refused: dict[str, str]
    left: int


class ScheduleAnswer(TypedDict):
    """A schedule with its next due times, by its own time zone."""

    schedule_id: str
    title: str
    organization: str
    organization_name: str
    owner_user: str
    enabled: bool
    frequency: Literal["Cron", "Interval"]
    cron: str | None
    every: int
    every_unit: Literal["Minutes", "Hours", "Days"] | None
    time_zone: str
    job_type: str
    priority: Literal["Low", "Normal", "High", "Critical"] | None
    missed_runs: Literal["Skip", "Run Once", "Catch Up"]
    catch_up_limit: int
    next_run: str | None
    last_run: str | None
    last_job: str | None
    last_error: str | None
    last_error_at: str | None
    refusals: int
    parameters: dict[str, Any] | None
    next_runs: list[str]


class ScheduleList(TypedDict):
    """One page. `total`: the number of matching schedules, up to 10,000."""

    schedules: list[ListedSchedule]
    total: int
    limit: int
    offset: int


class SlowJob(TypedDict):
    job_id: str
    job_type: str
    organization: str
    organization_name: str
    owner_user: str
    completed_at: str
    seconds: float


class SlowJobs(TypedDict):
    jobs: list[SlowJob]


class Step(TypedDict):
    """A step of a running job that its handler has named."""

    name: str
    state: Literal["done", "active", "pending"]


class Submitted(TypedDict):
    """A job that was submitted, canceled or queued again."""

    job_id: str
    status: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"]
    message: str


class SubmittedJobs(TypedDict):
    """Jobs in the order of the request."""

    jobs: list[JobAndStatus]
    message: str


class TypeFigures(TypedDict):
    """`count`: ended jobs among those submitted in the last `hours`. Times are of completed jobs.  `failure_rate` (0
    to 1): the share of failed jobs among completed and failed ones. Jobs that await a retry count as failed.
    """

    running: int
    waiting: int
    dead_letter: int
    count: int
    failure_rate: float | None
    average_seconds: float | None
    p95_seconds: float | None
    hours: int


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The key is for the site alone, not for where it may point."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


class Client:
    """Calls as the user of an API key. Raises ApiError, and urllib's URLError if the server can't be reached."""

    def __init__(self, url: str, api_key: str, api_secret: str, timeout: float = 30):
        """`url`: of the site. `timeout`: seconds of a call."""
        self._base, self._timeout = url.rstrip("/") + "/api/method/dartwing_core.api.jobs.", timeout
        self._headers = {"Authorization": f"token {api_key}:{api_secret}", "Accept": "application/json"}

    def wait_until_ended(self, job_id: str, seconds: float = 300) -> "JobStatusAnswer":
        """State, progress and outcome of a job once it has ended, or after so many seconds. Asks again and again."""
        ends_at = time.monotonic() + seconds
        while True:
            left = ends_at - time.monotonic()
            job = self.wait_for_job(job_id, seconds=max(0, min(20, int(left))))
            if job["status"] in ENDED or left <= 20:
                return job

    def _ask(
        self,
        verb: str,
        name: str,
        arguments: dict[str, Any],
        more_headers: dict[str, str | None] | None = None,
        *,
        is_bytes: bool = False,
    ) -> Any:
        given = {key: value for key, value in arguments.items() if value is not None}
        address, body, headers = self._base + name, None, dict(self._headers)
        headers |= {key: value for key, value in (more_headers or {}).items() if value is not None}
        if verb == "GET":
            texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
            address += f"?{urllib.parse.urlencode(texts)}"
        else:
            body, headers["Content-Type"] = json.dumps(given).encode(), "application/json"
        request = urllib.request.Request(address, body, headers, method=verb)
        try:
            with _OPENER.open(request, timeout=self._timeout) as response:
                return response.read() if is_bytes else json.load(response)
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, _read(error)) from None

    def bulk_retry_dead_letter(
        self,
        *,
        organization: str | None = None,
        job_type: str | None = None,
        limit: int | None = None,
    ) -> BulkRetry:
        """Retry Dead Letter jobs that you may see, oldest first."""
        return self._ask("POST", "bulk_retry_dead_letter", {"organization": organization, "job_type": job_type, "limit": limit})["message"]

    def cancel_batch(
        self,
        batch_id: str,
        *,
        reason: str | None = None,
    ) -> BatchIdAndStatus:
        """Cancel the waiting jobs of a batch, and ask the running ones to stop."""
        return self._ask("POST", "cancel_batch", {"batch_id": batch_id, "reason": reason})["message"]

    def cancel_job(
        self,
        job_id: str,
        *,
        reason: str | None = None,
    ) -> Submitted:
        """Cancel a waiting job, or ask a running one to stop."""
        return self._ask("POST", "cancel_job", {"job_id": job_id, "reason": reason})["message"]

    def cancel_jobs(
        self,
        job_ids: list[str],
        *,
        reason: str | None = None,
    ) -> Bulk:
        """Cancel several jobs. A job that can't be canceled stops none of the others."""
        return self._ask("POST", "cancel_jobs", {"job_ids": job_ids, "reason": reason})["message"]

    def delete_dead_letter_job(
        self,
        job_id: str,
    ) -> Deleted:
        """Delete a Dead Letter job with its history; System Manager only."""
        return self._ask("POST", "delete_dead_letter_job", {"job_id": job_id})["message"]

    def delete_jobs(
        self,
        job_ids: list[str],
    ) -> Bulk:
        """Delete several jobs that are over, with their history. System Manager only."""
        return self._ask("POST", "delete_jobs", {"job_ids": job_ids})["message"]

    def download_file(
        self,
        job_id: str,
        name: str,
    ) -> bytes:
        """The bytes of a file that a job has made, not in `message`. For users who may see the job's result. The
        answer says to save the file, and not to show it.
        """
        return self._ask("GET", "download_file", {"job_id": job_id, "name": name}, is_bytes=True)

    def get_batch_status(
        self,
        batch_id: str,
    ) -> BatchStatusAnswer:
        """State and progress of a batch, with the number of its jobs in each status."""
        return self._ask("GET", "get_batch_status", {"batch_id": batch_id})["message"]

    def get_dead_letter_jobs(
        self,
        *,
        organization: str | None = None,
        limit: int | None = None,
    ) -> DeadLetters:
        """Dead Letter jobs that you may see, newest first."""
        return self._ask("GET", "get_dead_letter_jobs", {"organization": organization, "limit": limit})["message"]

    def get_execution_time_stats(
        self,
        *,
        organization: str | None = None,
        job_type: str | None = None,
        hours: int | None = None,
    ) -> ExecutionTimes:
        """Execution times of completed jobs."""
        return self._ask("GET", "get_execution_time_stats", {"organization": organization, "job_type": job_type, "hours": hours})["message"]

    def get_job_counts(
        self,
        *,
        organization: str | None = None,
    ) -> JobCounts:
        """Counts of jobs that run, wait, have failed today or are dead letters."""
        return self._ask("GET", "get_job_counts", {"organization": organization})["message"]

    def get_job_details(
        self,
        job_id: str,
    ) -> JobDetails:
        """All details of a job: state, parameters, attempts, relatives, history and allowed operations."""
        return self._ask("GET", "get_job_details", {"job_id": job_id})["message"]

    def get_job_history(
        self,
        job_id: str,
    ) -> History:
        """Every status change of a job, oldest first."""
        return self._ask("GET", "get_job_history", {"job_id": job_id})["message"]

    def get_job_metrics(
        self,
        *,
        organization: str | None = None,
        hours: int | None = None,
    ) -> Metrics:
        """Counts of jobs by status and of waiting jobs, processing times and failure rates."""
        return self._ask("GET", "get_job_metrics", {"organization": organization, "hours": hours})["message"]

    def get_job_status(
        self,
        job_id: str,
    ) -> JobStatusAnswer:
        """State, progress and outcome of a job."""
        return self._ask("GET", "get_job_status", {"job_id": job_id})["message"]

    def get_job_type_overview(
        self,
        job_type: str,
        *,
        hours: int | None = None,
    ) -> JobTypeOverview:
        """Figures of a type's jobs, the newest ten, and the JSON Schema of their parameters."""
        return self._ask("GET", "get_job_type_overview", {"job_type": job_type, "hours": hours})["message"]

    def get_open_circuits(
        self,
        *,
        organization: str | None = None,
    ) -> OpenCircuits:
        """Circuits that stop jobs, in organizations that you administer, newest first."""
        return self._ask("GET", "get_open_circuits", {"organization": organization})["message"]

    def get_openapi(
        self,
    ) -> dict[str, Any]:
        """This description itself, not in `message`."""
        return self._ask("GET", "get_openapi", {})

    def get_schedule(
        self,
        schedule_id: str,
    ) -> ScheduleAnswer:
        """A schedule with its next due times."""
        return self._ask("GET", "get_schedule", {"schedule_id": schedule_id})["message"]

    def get_slowest_jobs(
        self,
        *,
        organization: str | None = None,
        job_type: str | None = None,
        hours: int | None = None,
        limit: int | None = None,
    ) -> SlowJobs:
        """The completed jobs with the longest execution times."""
        return self._ask("GET", "get_slowest_jobs", {"organization": organization, "job_type": job_type, "hours": hours, "limit": limit})["message"]

    def list_batches(
        self,
        *,
        organization: str | None = None,
        status: Literal["Running", "Completed", "Failed", "Canceled"] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> BatchList:
        """Batches that you may see, newest first."""
        return self._ask("GET", "list_batches", {"organization": organization, "status": status, "limit": limit, "offset": offset})["message"]

    def list_job_types(
        self,
        *,
        organization: str | None = None,
    ) -> JobTypes:
        """The Job Types whose jobs you may submit for an organization, with the JSON Schema of their parameters."""
        return self._ask("GET", "list_job_types", {"organization": organization})["message"]

    def list_jobs(
        self,
        *,
        organization: str | None = None,
        status: Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"] | None = None,
        job_type: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        priority: Literal["Low", "Normal", "High", "Critical"] | None = None,
        owner_user: str | None = None,
        from_date: str | None = None,
        to_date: str | None = None,
        order_by: str | None = None,
        batch: str | None = None,
        schedule: str | None = None,
        reference_doctype: str | None = None,
        reference_name: str | None = None,
        tag: str | None = None,
    ) -> JobList:
        """Jobs that you may see, newest first."""
        return self._ask("GET", "list_jobs", {"organization": organization, "status": status, "job_type": job_type, "limit": limit, "offset": offset, "priority": priority, "owner_user": owner_user, "from_date": from_date, "to_date": to_date, "order_by": order_by, "batch": batch, "schedule": schedule, "reference_doctype": reference_doctype, "reference_name": reference_name, "tag": tag})["message"]

    def list_schedules(
        self,
        *,
        organization: str | None = None,
        enabled: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> ScheduleList:
        """Schedules that you may see, newest first."""
        return self._ask("GET", "list_schedules", {"organization": organization, "enabled": enabled, "limit": limit, "offset": offset})["message"]

    def manually_close_circuit(
        self,
        job_type: str,
        organization: str,
    ) -> ManuallyClosed:
        """Close a circuit by hand: its jobs may start before the cool-down is over."""
        return self._ask("POST", "manually_close_circuit", {"job_type": job_type, "organization": organization})["message"]

    def preview_schedule(
        self,
        *,
        frequency: Literal["Cron", "Interval"] | None = None,
        cron: str | None = None,
        every: int | None = None,
        every_unit: Literal["Minutes", "Hours", "Days"] | None = None,
        time_zone: str | None = None,
    ) -> NextRuns:
        """The next due times of a schedule, if it were saved with these values now."""
        return self._ask("GET", "preview_schedule", {"frequency": frequency, "cron": cron, "every": every, "every_unit": every_unit, "time_zone": time_zone})["message"]

    def reschedule_job(
        self,
        job_id: str,
        available_at: str | float,
    ) -> DueAgain:
        """Let a pending job start at another time."""
        return self._ask("POST", "reschedule_job", {"job_id": job_id, "available_at": available_at})["message"]

    def retry_batch(
        self,
        batch_id: str,
    ) -> BatchRetry:
        """Start a fresh series of attempts of all jobs of a batch that have failed."""
        return self._ask("POST", "retry_batch", {"batch_id": batch_id})["message"]

    def retry_dead_letters(
        self,
        fingerprints: list[str],
        *,
        organization: str | None = None,
        job_type: str | None = None,
    ) -> RetriedByError:
        """Retry the Dead Letter jobs that you may see with these kinds of errors, the oldest 500."""
        return self._ask("POST", "retry_dead_letters", {"fingerprints": fingerprints, "organization": organization, "job_type": job_type})["message"]

    def retry_job(
        self,
        job_id: str,
        *,
        parameters: dict[str, Any] | None = None,
    ) -> Submitted:
        """Start a fresh series of attempts of a failed job, perhaps with other parameters."""
        return self._ask("POST", "retry_job", {"job_id": job_id, "parameters": parameters})["message"]

    def retry_jobs(
        self,
        job_ids: list[str],
    ) -> Bulk:
        """Start a fresh series of attempts of several failed jobs. A job that can't be retried stops none of the
        others.
        """
        return self._ask("POST", "retry_jobs", {"job_ids": job_ids})["message"]

    def run_now(
        self,
        job_id: str,
    ) -> DueAgain:
        """Skip the wait of a job for its time or its retry. The job may still wait for another reason."""
        return self._ask("POST", "run_now", {"job_id": job_id})["message"]

    def run_schedule_now(
        self,
        schedule_id: str,
    ) -> Submitted:
        """Submit the job of a schedule once more, beside its due times."""
        return self._ask("POST", "run_schedule_now", {"schedule_id": schedule_id})["message"]

    def submit_batch(
        self,
        jobs: list[dict[str, Any]],
        *,
        organization: str | None = None,
        on_complete: dict[str, Any] | None = None,
        on_success: dict[str, Any] | None = None,
        on_failure: dict[str, Any] | None = None,
        description: str | None = None,
    ) -> BatchIdAndStatus:
        """Submit jobs that are watched, canceled and retried as a whole. All jobs are submitted or none."""
        return self._ask("POST", "submit_batch", {"jobs": jobs, "organization": organization, "on_complete": on_complete, "on_success": on_success, "on_failure": on_failure, "description": description})["message"]

    def submit_job(
        self,
        job_type: str,
        *,
        organization: str | None = None,
        parameters: dict[str, Any] | None = None,
        priority: Literal["Low", "Normal", "High", "Critical"] | None = None,
        depends_on: str | list[str] | None = None,
        available_at: str | float | None = None,
        dedup_key: str | None = None,
        on_duplicate: Literal["raise", "return", "replace"] | None = None,
        on_parent_failure: Literal["cancel", "dead_letter", "run"] | None = None,
        deduplication: Literal["while_unfinished", "within_window", "never"] | None = None,
        timeout: int | None = None,
        max_retries: int | None = None,
        title: str | None = None,
        reference: Reference | None = None,
        tags: list[str] | None = None,
        idempotency_key: str | None = None,
    ) -> Submitted:
        """Submit a job. If an equal job exists: answer 409, return that job, or replace its parameters until its
        first attempt. The header Idempotency-Key is a `dedup_key` for a client that repeats its request: the
        answer is that of the first one.
        """
        return self._ask("POST", "submit_job", {"job_type": job_type, "organization": organization, "parameters": parameters, "priority": priority, "depends_on": depends_on, "available_at": available_at, "dedup_key": dedup_key, "on_duplicate": on_duplicate, "on_parent_failure": on_parent_failure, "deduplication": deduplication, "timeout": timeout, "max_retries": max_retries, "title": title, "reference": reference, "tags": tags}, {"Idempotency-Key": idempotency_key})["message"]

    def submit_jobs(
        self,
        jobs: list[JobRequest],
    ) -> SubmittedJobs:
        """Submit several jobs, all or none."""
        return self._ask("POST", "submit_jobs", {"jobs": jobs})["message"]

    def wait_for_job(
        self,
        job_id: str,
        *,
        seconds: int | None = None,
    ) -> JobStatusAnswer:
        """State, progress and outcome of a job once it has ended, or after so many seconds. Two calls of a user may
        wait at once.
        """
        return self._ask("GET", "wait_for_job", {"job_id": job_id, "seconds": seconds})["message"]


def _read(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        found = json.load(error)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
