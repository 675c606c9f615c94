"""The operations on jobs. Desk buttons, REST, CLI and Python all call these functions.

None of them commits (invariant I2): their writes belong to the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from .access import permission, visibility
from .after import cancel
from .after.after_commit import after_commit, undone_on_error
from .errors import DuplicateJobError, InvalidJobError, InvalidTransitionError, JobChangedError
from .job import batch_store, dependencies, find, record, runs
from .job.record import Job
from .lib import clock, config, sql
from .lib.rows import Columns, JobRow, may_be_rescheduled, waits_for_its_time
from .lib.texts import cut, describe_unknown, error_text
from .read import visible_jobs
from .status import RETRYABLE, WAITING, JobStatus, word_of
from .submit import dedup, dependency_check, request, submission
from .submit.request import CALLERS_ARGUMENTS, Prepared, Request

BULK_LIMIT, MAX_JOBS = 10_000, 500
REFUSALS = (frappe.ValidationError, frappe.PermissionError, frappe.DoesNotExistError, DuplicateJobError)
"""Errors by which a job's state or a permission refuses it. A lost transaction is not among them."""


def submit_job(
    job_type: str,
    organization: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    priority: str | None = None,
    depends_on: str | Sequence[str] | None = None,
    available_at: datetime | timedelta | str | float | None = None,
    dedup_key: str | None = None,
    on_duplicate: str = "raise",
    on_parent_failure: str = "dead_letter",
    deduplication: str | None = None,
    timeout: int | None = None,
    max_retries: int | None = None,
    title: str | None = None,
    reference: Any = None,
    tags: Collection[str] | None = None,
) -> Document:
    """Submit a job for an organization, owned by the current user. Returns its Background Job document.

    The job exists if the caller's transaction commits. Workers are woken right after the commit. Redis may be down.

    `organization`: its id or its name. Needed unless the site has a Default Organization.
    `parameters`: a dict with a faithful JSON form. `priority`: Low, Normal, High
    or Critical; the type's by default.
    `depends_on`: a job of the same organization that must complete first, or several. `on_parent_failure`: the fate
    of the new job if one of those is canceled, fails for good or is deleted: "cancel", "dead_letter" or "run" it all
    the same. `available_at`: not before this time (datetime, ISO text, or a delay as timedelta or seconds).
    `dedup_key`: identifies equal jobs, instead of their parameters. `on_duplicate`: "raise", "return" the existing
    job, or "replace" its parameters until its first attempt. `deduplication`: how long an equal job is a duplicate,
    instead of as the Job Type says: "while_unfinished", "within_window" or "never". `timeout` (seconds that an
    attempt may take) and `max_retries`: at most what the Job Type allows. `title`: a name that tells the job from
    others of its type. `reference`: the document that it is about, or its DocType and name; the document's form then
    shows the job. `tags`: texts by which `list_jobs` finds it.

    Raises InvalidJobError (a frappe.ValidationError), frappe.PermissionError, DuplicateJobError, RateLimitError or
    QueueFullError. Raises JobBusyError if another transaction has submitted an equal job, and does not end in 30
    seconds.
    """
    return submit([Request(**locals())])[0].document  # which has the same fields


def submit_jobs(requests: Iterable[Mapping[str, Any]]) -> list[Document]:
    """Submit many jobs, each a dict of `submit_job`'s arguments: all or none. Returns their documents in this order.

    A job may also have a `key`, by which `depends_on` of others names it. Large submits cost few statements.
    Raises what `submit_job` raises, and InvalidJobError for more than 10,000 jobs. The text names the wrong job.
    """
    return [job.document for job in submit([request_of(arguments) for arguments in requests])]


def request_of(arguments: Any) -> Request:
    """The request that has these arguments of `submit_job`, and perhaps a `key`. Raises InvalidJobError."""
    if not isinstance(arguments, Mapping):
        raise InvalidJobError(_("Each job must be an object with a job_type."))
    unknown = set(arguments) - CALLERS_ARGUMENTS
    if unknown:
        problem = describe_unknown(sorted(map(str, unknown)), CALLERS_ARGUMENTS)
        raise InvalidJobError(_("Invalid arguments: {0}.").format(problem))
    return Request(**arguments)


def submit(
    requests: Sequence[Request], after: Sequence[Collection[int]] = (), batch: Columns | None = None
) -> list[Prepared]:
    """Insert the jobs that are new. Returns for each request the job that stands for it.

    `after`: for each the positions of those that it has to follow, beside its `depends_on`. `batch`: the row of theirs.
    """
    if len(requests) > BULK_LIMIT:
        raise InvalidJobError(_("At most {0} jobs can be submitted at once.").format(BULK_LIMIT))
    user = frappe.session.user
    asked = submission.prepare_all(requests, user, batch)
    parents = dependency_check.parents_of(asked, after, user)  # first: a refused submit keeps no locks
    final = dedup.merge_equal(asked)
    distinct = list(dict.fromkeys(final))
    dedup.find_existing(distinct, user)
    pairs = dependency_check.connect(final, parents)
    new = [job for job in distinct if not job.existing]
    existing = {job.existing["name"]: job for job in distinct if job.existing}
    is_replacing = any(job.request.on_duplicate == request.REPLACE for job in existing.values())
    with undone_on_error() if is_replacing or len(new) > 1 or pairs else nullcontext():
        for name in sorted(existing):  # the order of the locks on their rows
            dedup.take_existing(existing[name], user)
        if new:
            submission.check_limits(new, user)
            record.insert([job.row for job in new], {job.row["name"] for job in new if job.is_paused})
            if pairs:
                dependencies.insert(pairs, user)
    if new:
        awaited = {job.row["waits_for"] for job in new} - {job.row["name"] for job in new}
        after_commit().release_children_of(awaited)  # they may have ended meanwhile
    return final


def cancel_job(job_id: str, reason: str | None = None) -> Document:
    """Cancel a job. Returns its document.

    A waiting job is Canceled at once. A running one is asked to stop when the caller's transaction commits: its handler
    learns of it within about five seconds. It is ended by force after the grace period of Job Engine Settings.
    Raises InvalidTransitionError if it has finished, JobNotFoundError if it can't be seen, JobBusyError if another
    transaction is just changing it.
    """
    return visible_jobs.operate(job_id, lambda job: request.as_document(cancel.cancel(job, reason)))


def retry_job(job_id: str, parameters: Mapping[str, Any] | None = None) -> Document:
    """Start a fresh series of attempts of a failed job. Returns its document, Pending until the commit.

    `parameters`: run it with these instead.
    Raises InvalidTransitionError unless it is Failed, Timed Out or Dead Letter. Raises DuplicateJobError if an equal
    job was submitted meanwhile, JobBusyError if another transaction is just changing it.
    """
    return visible_jobs.operate(job_id, lambda job: _retry(job, parameters))


def _retry(job: JobRow, parameters: Mapping[str, Any] | None) -> Document:
    status = JobStatus(job["status"])
    if status not in RETRYABLE:
        raise _refusal(job, _("Job {0} is {1}. Only a job that has failed can be retried."))
    edited: Columns = {}
    changed: list[str] = []
    if parameters is not None:
        if not visibility.may_edit(job["owner_user"], frappe.session.user):
            raise frappe.PermissionError(_("Only the owner of a job and System Managers may change its parameters."))
        edited, had, changed = submission.edited(job, parameters)
    keys, refused = dedup.reclaim_contents([{**job, **edited}])
    if refused:
        raise refused[job["name"]]
    if job["parent_batch"] and status == JobStatus.DEAD_LETTER:
        batch_store.reopen(job["parent_batch"])
    retried = Job(job)
    if not retried.retry(keys[job["name"]], edited, changed):
        raise JobChangedError(job["name"])
    if edited:
        runs.forget_state(job["name"])  # the checkpoint belongs to other work
        runs.keep_parameters(job["name"], job["attempt"], had)
    after_commit().release_children_of([job["waits_for"]])
    return request.as_new_document(retried.row)


def reschedule_job(job_id: str, available_at: datetime | timedelta | str | float) -> Document:
    """Let a job that has not begun start at another time, given as for `submit_job`. Returns its document.

    Raises InvalidTransitionError if it has begun, JobNotFoundError if it can't be seen, InvalidJobError for a value
    that is no time, JobBusyError if another transaction is just changing the job.
    """
    due = clock.epoch_of(available_at)
    return visible_jobs.operate(job_id, lambda job: _reschedule(job, due))


def _reschedule(job: JobRow, due: float) -> Document:
    if not may_be_rescheduled(job):
        raise _refusal(job, _("Job {0} is {1}. Only a job that has not started can be rescheduled."))
    before, after = clock.shown(job["due_epoch"] or 0), clock.shown(due)
    return _moved(job, due, f"Rescheduled from {before} to {after}")


def run_now(job_id: str) -> Document:
    """Skip the wait of a Pending job for its time, or of a failed one for its retry. Returns its document.

    It still waits for another job, a pause, a limit or its turn. `waiting_reason` of `get_job_status` says which.
    Raises InvalidTransitionError if it waits for no time, JobNotFoundError if it can't be seen, JobBusyError if another
    transaction is just changing it.
    """
    return visible_jobs.operate(job_id, _run_now)


def _run_now(job: JobRow) -> Document:
    if job["status"] not in (JobStatus.QUEUED, *WAITING):
        raise _refusal(job, _("Job {0} is {1}. Only a job that waits for its time can be run now."))
    now = clock.now_epoch()
    if not waits_for_its_time(job, now):
        return request.as_document(job)
    return _moved(job, now, f"Run now instead of at {clock.shown(job['due_epoch'] or 0)}")


def _refusal(job: JobRow, text: str) -> InvalidTransitionError:
    return InvalidTransitionError(text.format(job["name"], word_of(job["status"])))


def _moved(job: JobRow, due: float, message: str) -> Document:
    moved = Job(job)
    if not moved.set_due(due, message):
        raise JobChangedError(job["name"])
    entered = record.enter_line([job["name"]])
    after_commit().release_children_of([job["waits_for"]])
    now: JobRow = {**moved.row, "status": str(JobStatus.QUEUED)} if entered else moved.row
    return request.as_document(now)


# Many jobs: each is done or refused by itself, and the answer gives the reason ---------------------------------------


def cancel_jobs(job_ids: Sequence[str], reason: str | None = None) -> dict[str, Any]:
    """Cancel these jobs, at most 500: `{done: [job ids], refused: {job id: reason}}`. See `cancel_job`."""
    names, refused = _visible(job_ids)
    # The attempt of a running job waits some seconds for this transaction to decide, and then ends without it.
    statuses = find.statuses(names) if names else {}
    names.sort(key=lambda name: statuses.get(name) == JobStatus.RUNNING)
    return _each(names, lambda name: cancel_job(name, reason=reason), refused)


def retry_jobs(job_ids: Sequence[str]) -> dict[str, Any]:
    """Start a fresh series of attempts of these jobs. Answers like `cancel_jobs`. See `retry_job`."""
    return retry_visible(*_visible(job_ids))


def retry_visible(names: list[str], refused: dict[str, str] | None = None) -> dict[str, Any]:
    """`retry_jobs` of jobs that the user may see, any number. `refused`: reasons that the answer gives too."""
    dedup.lock_contents_of(names)  # before the row of the first one is locked
    return _each(names, retry_job, refused or {})


def delete_jobs(job_ids: Sequence[str]) -> dict[str, Any]:
    """Delete these jobs, if they are over, with their history. Answers like `cancel_jobs`.

    Raises PermissionError unless the user is a System Manager.
    """
    names, refused = _visible(job_ids)
    permission.check_may_delete()
    return _each(names, lambda name: frappe.delete_doc(config.JOB, name), refused)


def _visible(job_ids: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """These jobs, each once, and the refusals of those that the user may not see.

    Raises InvalidJobError for more than MAX_JOBS ids.
    """
    if len(job_ids) > MAX_JOBS:
        raise InvalidJobError(_("At most {0} jobs at once.").format(MAX_JOBS))
    asked = list(dict.fromkeys(job_ids))
    visible = set(visible_jobs.visible_names(asked))
    refused = {cut(name): error_text(visible_jobs.not_found(name)) for name in asked if name not in visible}
    return [name for name in asked if name in visible], refused


def _each(names: Sequence[str], work: Callable[[str], Any], refused: dict[str, str]) -> dict[str, Any]:
    """Do `work` for each job. An error that is no refusal leaves nothing done."""
    done: list[str] = []
    with undone_on_error(), sql.connection_outside():  # one for all, instead of some for each
        for name in names:
            told = len(frappe.local.message_log)
            try:
                with undone_on_error():
                    work(name)
            except REFUSALS as error:
                del frappe.local.message_log[told:]  # the answer says it
                refused[name] = error_text(error) or _("This is not allowed.")
            else:
                done.append(name)
    return {"done": done, "refused": refused}
