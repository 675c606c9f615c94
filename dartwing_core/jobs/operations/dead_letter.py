"""Lists, retries and deletes jobs that failed for good."""

from __future__ import annotations

from typing import Any

import frappe
from frappe import _

from .. import engine
from ..access import permission, visibility
from ..errors import DuplicateJobError, InvalidTransitionError
from ..lib import config, plain_text
from ..read import job_queries, list_arguments, visible_jobs
from ..status import JobStatus
from ..submit import dedup
from ..submit.after_commit import undone_on_error

MAX_LIMIT = 1_000
SAVEPOINT = "dartwing_core_dead_letters"


def get_dead_letter_jobs(organization: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Dead Letter jobs that the user may see, newest first."""
    found = job_queries.list_jobs(
        organization, status=JobStatus.DEAD_LETTER.value, limit=limit, order_by="creation desc"
    )
    return found["jobs"]


def delete_dead_letter_job(job_id: str) -> None:
    """Delete a Dead Letter job with its history.

    Raises PermissionError unless the user is a System Manager, InvalidTransitionError if the job is in another state.
    """
    job = visible_jobs.visible_job(job_id)
    permission.check_may_delete()
    if job["status"] != JobStatus.DEAD_LETTER:
        raise InvalidTransitionError(_("Job {0} is {1}, not Dead Letter.").format(job["name"], _(job["status"])))
    frappe.delete_doc(config.JOB, job["name"])


def bulk_retry_dead_letter(
    organization: str | None = None, job_type: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Retry Dead Letter jobs that the user may see, oldest first: `{retried: [job ids], skipped: {job id: reason}}`."""
    names = _visible_names(organization, job_type, list_arguments.bounded(limit, 1, MAX_LIMIT, "limit"))
    with undone_on_error(SAVEPOINT):
        return _retry(names)


def _retry(names: list[str]) -> dict[str, Any]:
    dedup.lock_contents_of(names)
    retried, skipped = [], {}
    for name in names:
        try:
            retried.append(engine.retry_job(name).name)
        except (InvalidTransitionError, DuplicateJobError) as error:  # another session was faster
            skipped[name] = plain_text.of_error(error)
    return {"retried": retried, "skipped": skipped}


def _visible_names(organization: str | None, job_type: str | None, limit: int) -> list[str]:
    job = frappe.qb.DocType(config.JOB)
    condition = visibility.viewer().can_see_condition(job, list_arguments.organization_filter(organization))
    condition &= job.status == JobStatus.DEAD_LETTER.value
    condition = list_arguments.narrowed(condition, job, job_type=job_type)
    return frappe.qb.from_(job).select(job.name).where(condition).orderby(job.name).limit(limit).run(pluck=True)
