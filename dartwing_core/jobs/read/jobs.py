"""Status, lists, history and details of jobs: only of those that the current user may see, for all callers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import IO, Any, cast
from urllib.parse import quote

import frappe
from frappe import _
from pypika import Order
from pypika.queries import QueryBuilder
from pypika.terms import Criterion

from ..access import content, visibility
from ..errors import JobNotFoundError
from ..job import batch_store, dependencies, history, job_files, labels, runs
from ..job.job_files import StoredFile
from ..job.runs import ProgressColumns, RunRow
from ..lib import canonical, clock, config
from ..lib.rows import PRIORITIES, JobRow, changed, may_be_rescheduled, waits_for_its_time
from ..lib.sealing import SealError
from ..lib.tables import DEPENDENCY, JOB, RUN
from ..lib.texts import cut
from ..schedules import schedule_store
from ..status import FINISHED, RETRYABLE, JobStatus, can_move
from ..submit import request
from ..types import functions, handlers
from . import pages, visible_jobs, waiting_reason

MAX_ASKED = 500

_LIST_FIELDS = (
    *("name", "job_type", "job_title", "reference_doctype", "reference_name", "job_tags", "organization", "owner_user"),
    *("status", "priority", "progress", "progress_message", "attempt", "retry_count", "max_retries", "next_retry_at"),
    *("created_at", "available_at", "started_at", "completed_at", "output_reference", "error_message", "error_type"),
)
_INNER_FIELDS = [field for field in (*waiting_reason.FIELDS, *visibility.DECIDING_FIELDS) if field not in _LIST_FIELDS]
"""Columns that are read but not shown."""
_STATUS_FIELDS = (
    *_LIST_FIELDS,
    *("canceled_at", "canceled_by", "cancel_reason", "result", "depends_on", "schedule_run"),
    *("on_parent_failure", "job_key", "parent_batch"),
)
ATTEMPTS = 50
CHILDREN = 20
_ATTEMPT_FIELDS = (
    *("attempt", "outcome", "worker", "started_at", "ended_at", "duration", "error_message"),
    *("traceback", "log_lines", "input_parameters"),
)
FILES = ("/files/", "/private/files/")


def get_job_status(job_id: str) -> dict[str, Any]:
    """State, progress and outcome of a job. A running job's progress is live. Steps stay when its attempt has ended.

    Raises JobNotFoundError for a missing or invisible job.
    """
    viewer = visibility.viewer()
    job = visible_jobs.visible_job(job_id, *_STATUS_FIELDS, *_INNER_FIELDS, looking=viewer)
    [shown] = _public([job], viewer, with_ended=True)
    return shown | {
        "parents": dependencies.parents_of(job["name"], job["depends_on"]),
        "result": canonical.load(job["result"]),
        "key": shown.pop("job_key"),
        "schedule": schedule_store.schedule_of(shown.pop("schedule_run")),
        "result_is_hidden": not viewer.can_see_result(job),
    }


def list_jobs(
    organization: str | None = None,
    status: str | Sequence[str] | None = None,
    job_type: str | None = None,
    limit: int = 20,
    offset: int = 0,
    priority: str | None = None,
    owner_user: str | None = None,
    from_date: datetime | str | None = None,
    to_date: datetime | str | None = None,
    order_by: str = "creation desc",
    batch: str | None = None,
    schedule: str | None = None,
    reference: Any = None,
    tag: str | None = None,
) -> dict[str, Any]:
    """Jobs that the user may see, newest first: `{jobs, total, limit, offset}`.

    `limit` is cut to 1–100, `total` to 10,000. Another order than creation sorts the newest 10,000.
    `status`: one or several. `from_date` and `to_date` bound the creation. `batch`, `schedule`: only its jobs.
    `reference`: only jobs about this document, given as to `submit_job`. `tag`: only jobs with this tag,
    among the newest 10,000 that the other filters leave.
    `order_by`: creation, modified, status, priority, available_at, started_at or completed_at, with "asc" or "desc".
    Raises InvalidJobError for an unknown status, priority, field, number or date.
    """
    statuses = [one for one in (status if isinstance(status, list | tuple) else [status]) if one]
    for one in statuses:
        pages.check_choice("status", one, [item.value for item in JobStatus])
    pages.check_choice("priority", priority, PRIORITIES)
    viewer = visibility.viewer()
    condition = viewer.visible(JOB, pages.text(organization, "organization"))
    filters = {"job_type": job_type, "priority": priority, "owner_user": owner_user}
    condition = pages.narrowed(condition, JOB, **filters, parent_batch=batch)
    if statuses:
        condition &= JOB.status.isin(statuses)
    if schedule:
        condition &= JOB.schedule_run.like(f"{schedule}@%")
    if from_date:
        condition &= JOB.creation >= pages.moment(from_date, "from_date")
    if to_date:
        condition &= JOB.creation <= pages.moment(to_date, "to_date")
    doctype, name = request.pair_of(reference)
    if doctype and name:
        condition &= labels.is_about(doctype, name)
    if tag:
        condition = _tagged(condition, request.checked_tag(tag))
    order = pages.order(order_by)
    found = pages.page(condition, JOB, limit, offset, lambda *bounds: page_query(condition, order, *bounds))
    rows = [content.shown(viewer.without_hidden_result(row)) for row in found.pop("rows")]
    return {"jobs": _public(rows, viewer), **found}


def _tagged(condition: Criterion, tag: str) -> Criterion:
    """Only jobs with this tag, among the newest MAX_TOTAL: no index finds tags."""
    found = _newest(condition, "job_tags")
    return condition & JOB.name.isin(frappe.qb.from_(found).select(found.name).where(labels.has_tag(found, tag)))


def _newest(condition: Criterion, column: str) -> QueryBuilder:
    """Name and one column of the newest MAX_TOTAL jobs."""
    query = frappe.qb.from_(JOB).select(JOB.name, JOB[column]).where(condition).limit(pages.MAX_TOTAL)
    return query.orderby(JOB.creation, order=Order.desc).orderby(JOB.name, order=Order.desc).as_("newest")


def get_live_progress(job_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Progress of the running ones of these jobs: `{job id: {attempt, progress, progress_message}}`.

    Leaves out jobs that do not run or that the user may not see, and all beyond MAX_ASKED.
    """
    names = [str(name) for name in job_ids[:MAX_ASKED]]
    if not names:
        return {}
    query = frappe.qb.from_(JOB).select(JOB.name, JOB.attempt, JOB.progress, JOB.progress_message)
    query = query.where(visibility.viewer().can_see_condition() & JOB.name.isin(names))
    rows = query.where(JOB.status == str(JobStatus.RUNNING)).run(as_dict=True)
    live = runs.live_progress(rows)
    return {row["name"]: {"attempt": row["attempt"], **_progress(row, live.get(row["name"]))} for row in rows}


def page_query(condition: Criterion, order: tuple[str, Order], limit: int, offset: int) -> QueryBuilder:
    """One page of jobs: found and sorted on an index, before any whole row is read.

    Only creation has an index in its order. For other orders, the newest MAX_TOTAL jobs are sorted.
    """
    column, direction = order
    row = JOB.as_("row")
    found = JOB if column == "creation" else _newest(condition, column)
    names = frappe.qb.from_(found).select(found.name).orderby(found[column], order=direction)
    names = names.orderby(found.name, order=direction)
    if found is JOB:
        names = names.where(condition)
    page = names.limit(limit).offset(offset).as_("page")
    query = frappe.qb.from_(page).join(row).on(row.name == page.name)
    query = query.select(*(row[column] for column in content.columns([*_LIST_FIELDS, *_INNER_FIELDS])))
    return query.orderby(row[column], order=direction).orderby(row.name, order=direction)


def get_job_history(job_id: str) -> dict[str, Any]:
    """Every status change of a job, oldest first: `{job_id, history}`."""
    job = visible_jobs.visible_job(job_id, "name", "cancel_reason")
    return {"job_id": job["name"], "history": events_of(job["name"], job["cancel_reason"])}


def events_of(job_id: str, cancel_reason: str | None) -> list[dict[str, Any]]:
    """The history of a visible job, with the reason of its cancel. Names of workers are for System Managers."""
    hidden = {} if visibility.viewer().sees_everything else {"worker": None}
    events = [pages.public(changed(event, hidden)) for event in history.of_job(job_id)]
    for event in events:
        if cancel_reason and event["to_status"] == JobStatus.CANCELED:
            event["message"] += f": {cancel_reason}"
    return events


def _public(jobs: Sequence[JobRow], viewer: visibility.Viewer, *, with_ended: bool = False) -> list[dict[str, Any]]:
    """Jobs for callers: with live columns of running ones, the reason why others wait, and allowed operations.

    `with_ended`: also with the steps of the last attempt, until the job is in line for the next one.
    """
    attempted = (JobStatus.RUNNING, *(FINISHED | RETRYABLE if with_ended else ()))
    live = runs.live_progress([job for job in jobs if job["attempt"] and job["status"] in attempted])
    reasons = waiting_reason.of_jobs(jobs)
    shown = viewer.with_organization_names(jobs)
    return [_public_job(job, live.get(job["name"]), reasons.get(job["name"])) for job in shown]


def _public_job(job: JobRow, run: RunRow | None, reason: str | None) -> dict[str, Any]:
    """A job for callers, with `job_id` instead of name."""
    shown = pages.public({key: value for key, value in job.items() if key not in _INNER_FIELDS})
    status = JobStatus(job["status"])
    is_stopping = bool(run and run["cancel_requested"]) and status == JobStatus.RUNNING
    steps = (canonical.load(run["steps"]) if run else None) or []
    if status == JobStatus.COMPLETED:  # so its last step is done
        steps = [step | {"state": "done"} if step["state"] == "active" else step for step in steps]
    return {
        "job_id": shown.pop("name"),
        "title": shown.pop("job_title"),
        "tags": labels.split(shown.pop("job_tags")),
        **shown,
        **_progress(job, run),
        "steps": steps,
        "waiting_reason": reason,
        "cancel_requested": is_stopping,
        "can_cancel": can_move(status, JobStatus.CANCELED) and not is_stopping,
        "can_retry": status in RETRYABLE,
        "can_reschedule": may_be_rescheduled(job),
        "can_run_now": waits_for_its_time(job, clock.now_epoch()),
        "output_url": _file_url(job["output_reference"]),
    }


def _progress(job: ProgressColumns, run: RunRow | None) -> ProgressColumns:
    """The progress from the attempt's row, else from the job's."""
    said: ProgressColumns = run or job
    return {"progress": round(said["progress"] or 0, 1), "progress_message": said["progress_message"]}


def _file_url(reference: str | None) -> str | None:
    """The address of a file of this site, as it stands in a link. None if its outcome is no such file."""
    if not reference or reference.startswith(f"{job_files.ADDRESS}?"):
        return reference or None
    return quote(reference) if reference.startswith(FILES) and ".." not in reference else None


# Details -------------------------------------------------------------------------------------------------------------


def get_job_details(job_id: str) -> dict[str, Any]:
    """The result of `get_job_status`, the job's parameters, files, attempts, relatives, history and allowed operations.

    Attempts and history have the latest last. Relatives are only those that the user may see. Tracebacks are for
    administrators, names of workers for System Managers. Raises JobNotFoundError for a missing or invisible job.
    """
    shown = get_job_status(job_id)
    job = visible_jobs.visible_job(job_id, "name", "input_parameters", "callback_of", "queue")
    children = _children(job["name"])
    job_type = config.job_type(shown["job_type"])
    can_edit = shown["can_retry"] and visibility.may_edit(shown["owner_user"], frappe.session.user)
    can_edit = can_edit and not (job_type and job_type.handler_method == functions.HANDLER)
    return {
        **shown,
        "queue": job["queue"],
        "callback_of": job["callback_of"],
        "parameters": handlers.shown_parameters(shown["job_type"], canonical.load(job["input_parameters"])),
        "files": [] if shown["result_is_hidden"] else _files(job["name"]),
        "attempts": _attempts(shown),
        "relatives": {
            "parents": _named(shown["parents"]),
            "children": children[:CHILDREN],
            "has_more_children": len(children) > CHILDREN,
        },
        "batch": _batch(shown["parent_batch"]),
        "history": events_of(job["name"], shown["cancel_reason"]),
        "can_edit": can_edit,
        "schema": handlers.schema_of(job_type) if can_edit and job_type else None,
        "can_delete": JobStatus(shown["status"]) in FINISHED and frappe.has_permission(config.JOB, "delete"),
    }


def _attempts(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The latest attempts. That of a running job has a row after its first seconds."""
    hidden = {"worker"} if not visibility.viewer().sees_everything else set()
    hidden |= {"traceback"} if not content.may_see_tracebacks() else set()
    if job["result_is_hidden"] and job["status"] == JobStatus.COMPLETED:  # as in lists: then the rows are hidden whole
        hidden.add("log_lines")
    query = frappe.qb.from_(RUN).select(*(RUN[column] for column in content.columns(_ATTEMPT_FIELDS)))
    query = query.where(RUN.background_job == job["job_id"]).orderby(RUN.attempt, order=Order.desc).limit(ATTEMPTS)
    attempts, kept = [], None
    for row in query.run(as_dict=True):
        attempt = pages.public(changed(content.shown(row), dict.fromkeys(hidden)))
        kept = attempt.pop("input_parameters") or kept  # they are noted on the last attempt of a series
        attempt |= {"log": canonical.load(attempt.pop("log_lines")) or [], "parameters": canonical.load(kept)}
        attempts.append(attempt)
    return attempts[::-1]


def _named(names: Sequence[str]) -> list[dict[str, Any]]:
    """Jobs with type and status, which are None for a job that is gone or that the user may not see."""
    if not names:
        return []
    query = frappe.qb.from_(JOB).select(JOB.name, JOB.job_type, JOB.status)
    found = query.where(visibility.viewer().can_see_condition() & JOB.name.isin(list(names))).run()
    known = {name: {"job_type": job_type, "status": status} for name, job_type, status in found}
    unknown = {"job_type": None, "status": None}
    return [{"job_id": name, **known.get(name, unknown)} for name in names]


def _children(parent: str) -> list[dict[str, Any]]:
    """Visible jobs that depend on this one. One more than are shown, if there are more."""
    only = frappe.qb.from_(JOB).select(JOB.name).where(JOB.depends_on == parent).limit(CHILDREN + 1)
    among = frappe.qb.from_(DEPENDENCY).select(DEPENDENCY.background_job).where(DEPENDENCY.depends_on == parent)
    names = {*only.run(pluck=True), *among.limit(CHILDREN + 1).run(pluck=True)}
    return [child for child in _named(sorted(names)) if child["status"]][: CHILDREN + 1]


def _batch(name: str | None) -> dict[str, Any] | None:
    """The batch of the job. None if there is none that the user may see."""
    found = batch_store.load(name) if name else None
    if not found or not visibility.viewer().can_see(found["owner_user"], found["organization"]):
        return None
    return {"batch_id": found["name"], "description": found["description"], "status": found["status"]}


# Files ---------------------------------------------------------------------------------------------------------------


def _files(job_id: str) -> list[dict[str, Any]]:
    """Name, size in bytes, MIME type and address of each file of a job. Empty if their list can't be opened."""
    try:
        files = cast(list[dict[str, Any]], job_files.files_of(job_id))
    except SealError:
        return []
    for file in files:
        file["file_url"] = job_files.address_of(job_id, file["name"])
        del file["path"]
    return files


def visible_file(job_id: Any, name: str) -> StoredFile:
    """A file of a job whose result the current user may see.

    Raises JobNotFoundError for a missing or invisible job, and alike for a missing and a hidden file.
    """
    viewer = visibility.viewer()
    job = visible_jobs.visible_job(job_id, "name", looking=viewer)
    for file in job_files.files_of(job["name"]) if viewer.can_see_result(job) else []:
        if file["name"] == name and (job_files.folder() / file["path"]).is_file():
            return file
    raise JobNotFoundError(_("Background job {0} has no file {1}.").format(job["name"], cut(name)))


def open_file(job_id: str, name: str) -> IO[bytes]:
    """A file of a job, open for reading bytes. The user is the current one; in a handler the job's owner.

    Raises JobNotFoundError for a job or file that is missing or that the user may not see.
    """
    return (job_files.folder() / visible_file(job_id, name)["path"]).open("rb")
