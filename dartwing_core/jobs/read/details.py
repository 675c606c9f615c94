"""All details of one job, for its page: one request instead of six. And the files that it has made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any, cast

import frappe
from frappe import _
from pypika import Order

from ..access import content, visibility
from ..errors import JobNotFoundError
from ..job import batch_store, job_files
from ..job.job_files import StoredFile
from ..lib import canonical, config
from ..lib.row_types import changed
from ..lib.sealing import SealError
from ..lib.texts import cut
from ..status import FINISHED, JobStatus
from ..types import handlers
from . import jobs, pages, visible_jobs

ATTEMPTS = 50
CHILDREN = 20
_ATTEMPT_FIELDS = (
    *("attempt", "outcome", "worker", "started_at", "ended_at", "duration", "error_message"),
    *("traceback", "log_lines", "input_parameters"),
)


def get_job_details(job_id: str) -> dict[str, Any]:
    """The result of `get_job_status`, the job's parameters, files, attempts, relatives, history and allowed operations.

    Attempts and history have the latest last. Relatives are only those that the user may see. Tracebacks are for
    administrators, names of workers for System Managers. Raises JobNotFoundError for a missing or invisible job.
    """
    shown = jobs.get_job_status(job_id)
    job = visible_jobs.visible_job(job_id, "name", "input_parameters", "callback_of", "queue")
    children = _children(job["name"])
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
        "history": jobs.events_of(job["name"], shown["cancel_reason"]),
        "can_edit": shown["can_retry"] and visibility.may_edit(shown["owner_user"], frappe.session.user),
        "can_delete": JobStatus(shown["status"]) in FINISHED and frappe.has_permission(config.JOB, "delete"),
    }


def _attempts(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The latest attempts. That of a running job has a row after its first seconds."""
    hidden = {"worker"} if not visibility.viewer().sees_everything else set()
    hidden |= {"traceback"} if not content.may_see_tracebacks() else set()
    if job["result_is_hidden"] and job["status"] == JobStatus.COMPLETED:  # as in lists: then the rows are hidden whole
        hidden.add("log_lines")
    run = frappe.qb.DocType(config.RUN)
    query = frappe.qb.from_(run).select(*(run[column] for column in content.columns(_ATTEMPT_FIELDS)))
    query = query.where(run.background_job == job["job_id"]).orderby(run.attempt, order=Order.desc).limit(ATTEMPTS)
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
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.name, job.job_type, job.status)
    found = query.where(visibility.viewer().can_see_condition(job) & job.name.isin(list(names))).run()
    known = {name: {"job_type": job_type, "status": status} for name, job_type, status in found}
    unknown = {"job_type": None, "status": None}
    return [{"job_id": name, **known.get(name, unknown)} for name in names]


def _children(parent: str) -> list[dict[str, Any]]:
    """Visible jobs that depend on this one. One more than are shown, if there are more."""
    job, dependency = frappe.qb.DocType(config.JOB), frappe.qb.DocType(config.DEPENDENCY)
    only = frappe.qb.from_(job).select(job.name).where(job.depends_on == parent).limit(CHILDREN + 1)
    among = frappe.qb.from_(dependency).select(dependency.background_job).where(dependency.depends_on == parent)
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
    """Name, size in bytes, MIME type and address of each file of a job. None if their list can't be opened."""
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
    files = job_files.files_of(job["name"]) if viewer.can_see_result(job) else []
    for file in files:
        if file["name"] == name and (job_files.folder() / file["path"]).is_file():
            return file
    raise JobNotFoundError(_("Background job {0} has no file {1}.").format(job["name"], cut(name)))


def open_file(job_id: str, name: str) -> IO[bytes]:
    """A file of a job, open for reading bytes. The user is the current one; in a handler the job's owner.

    Raises JobNotFoundError for a job or file that is missing or that the user may not see.
    """
    return (job_files.folder() / visible_file(job_id, name)["path"]).open("rb")
