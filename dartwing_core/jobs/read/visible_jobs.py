"""The jobs that the current user may see, and operations on them. Others are not found, as if they did not exist."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import frappe
from frappe import _

from ..access import content
from ..access.visibility import DECIDING_FIELDS, Viewer, viewer
from ..after.after_commit import undone_on_error
from ..errors import InvalidTransitionError, JobChangedError, JobNotFoundError
from ..job import find
from ..lib.rows import JobRow
from ..lib.tables import JOB
from ..lib.texts import cut

TRIES = 5
T = TypeVar("T")


def visible_job(job_id: Any, *fields: str, looking: Viewer | None = None) -> JobRow:
    """The job's fields, opened (without `fields` all unsealed ones), if the current user may see it.

    Hidden results are None.

    Raises JobNotFoundError, alike for a missing and an invisible job.
    """
    asked = dict.fromkeys((*fields, *DECIDING_FIELDS)) if fields else ()
    job = find.load_sealed(job_id, *asked) if isinstance(job_id, str) and job_id else None
    looking = looking or viewer()
    if not job or not looking.can_see_job(job):
        raise not_found(job_id)
    return content.shown(looking.without_hidden_result(job))


def not_found(job_id: Any) -> JobNotFoundError:
    """The error for a missing or invisible job."""
    return JobNotFoundError(_("Background job {0} not found.").format(cut(job_id)))


def visible_names(job_ids: Collection[str]) -> list[str]:
    """The names of these jobs that the current user may see, in one statement."""
    if not job_ids:
        return []
    query = frappe.qb.from_(JOB).select(JOB.name).where(JOB.name.isin(list(job_ids)))
    return query.where(viewer().can_see_condition()).run(pluck=True)


def operate(job_id: Any, operation: Callable[[JobRow], T]) -> T:
    """Call `operation` with the columns of a visible job. Repeat it if the job changes meanwhile. An error undoes it.

    The caller's snapshot may be old, so the job is also read outside of its transaction, already before the first try:
    an UPDATE that finds the job in another state keeps its row locked until the caller's commit.

    Raises JobNotFoundError, and the errors of `operation` for the job's present state.
    """
    job = visible_job(job_id)
    refusal: InvalidTransitionError = JobChangedError(job["name"])
    for number in range(TRIES):
        now = find.load_sealed(job["name"], is_now=True)
        is_newer = now is not None and now["version"] > job["version"]  # or this transaction itself has changed it
        if number and not is_newer:
            break
        job = now if now is not None and is_newer else job
        try:
            with undone_on_error():
                return operation(job)
        except InvalidTransitionError as error:
            if not isinstance(error, JobChangedError):  # an error about the state says more than one about the change
                refusal = error
    raise refusal
