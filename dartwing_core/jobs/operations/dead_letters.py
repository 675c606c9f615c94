"""Jobs that failed for good: their list, their kinds of errors, and their retry and deletion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import frappe
from frappe import _
from frappe.query_builder.functions import Coalesce, Count, Max, Min
from pypika import Order
from pypika.terms import Criterion, CustomFunction

from .. import engine
from ..access import permission, visibility
from ..errors import InvalidJobError, InvalidTransitionError
from ..lib import config, sql
from ..lib.tables import JOB
from ..read import jobs, pages, visible_jobs
from ..status import JobStatus, word_of

MAX_LIMIT = 1_000
GROUPS = 500
PATTERN_LENGTH = 200
VARIABLE = r"[0-9a-fA-F]{8}[0-9a-fA-F-]*|[0-9]+"
"""Parts that differ between errors of one cause: numbers, and ids in hexadecimal digits."""

_replace = CustomFunction("REGEXP_REPLACE", ["text", "pattern", "replacement"])
_left = CustomFunction("LEFT", ["text", "length"])
_sha2 = CustomFunction("SHA2", ["text", "bits"])
_concat = CustomFunction("CONCAT_WS", ["separator", "one", "other"])
_pattern = _left(_replace(Coalesce(JOB.error_message, ""), VARIABLE, "#"), PATTERN_LENGTH)
_fingerprint = _left(_sha2(_concat("|", JOB.job_type, _pattern), 256), 20)


def get_dead_letter_jobs(organization: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Dead Letter jobs that the user may see, newest first."""
    return jobs.list_jobs(organization, status=JobStatus.DEAD_LETTER.value, limit=limit)["jobs"]


def delete_dead_letter_job(job_id: str) -> None:
    """Delete a Dead Letter job with its history.

    Raises PermissionError unless the user is a System Manager, InvalidTransitionError if the job is in another state.
    """
    job = visible_jobs.visible_job(job_id)
    permission.check_may_delete()
    if job["status"] != JobStatus.DEAD_LETTER:
        raise InvalidTransitionError(_("Job {0} is {1}, not Failed.").format(job["name"], word_of(job["status"])))
    frappe.delete_doc(config.JOB, job["name"])


def bulk_retry_dead_letter(
    organization: str | None = None,
    job_type: str | None = None,
    limit: int = 50,
    fingerprints: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Retry Dead Letter jobs that the user may see, oldest first: `{retried: [job ids], skipped: {job id: reason}}`.

    `fingerprints`: only those with these kinds of errors, as of `dead_letters_by_error`. `left` in the answer: how many
    such jobs there are besides. Raises InvalidJobError for more than 500 fingerprints.
    """
    condition = _dead_letters(organization, job_type)
    if fingerprints is not None:
        if len(fingerprints) > GROUPS:
            raise InvalidJobError(_("{0}: at most {1} at once.").format("fingerprints", GROUPS))
        condition &= _fingerprint.isin([*fingerprints, ""])  # SQL has no empty list
    oldest = frappe.qb.from_(JOB).select(JOB.name).where(condition).orderby(JOB.name)
    names = oldest.limit(pages.bounded(limit, "limit", 1, MAX_LIMIT)).run(pluck=True)
    left = sql.count(JOB, condition, pages.MAX_TOTAL) - len(names)
    answer = engine.retry_visible(names)
    return {"retried": answer["done"], "skipped": answer["refused"], "left": left}


def dead_letters_by_error(organization: str | None = None, job_type: str | None = None) -> list[dict[str, Any]]:
    """Dead letters of one type with one kind of error, the kinds with the most first, at most 500.

    Rows of `job_type, error, jobs, organizations, first, last, sample, fingerprint`: errors that differ only in
    numbers and ids are of one kind, whose `fingerprint` `bulk_retry_dead_letter` takes. `sample` is the latest job.
    """
    number = Count("*")
    columns = (
        Max(JOB.job_type).as_("job_type"),
        Max(_left(Coalesce(JOB.error_message, ""), PATTERN_LENGTH)).as_("error"),
        number.as_("jobs"),
        Count(JOB.organization).distinct().as_("organizations"),
        Min(JOB.completed_at).as_("first"),
        Max(JOB.completed_at).as_("last"),
        Max(JOB.name).as_("sample"),
        _fingerprint.as_("fingerprint"),
    )
    query = frappe.qb.from_(JOB).select(*columns).where(_dead_letters(organization, job_type)).groupby(_fingerprint)
    return query.orderby(number, order=Order.desc).limit(GROUPS).run(as_dict=True)


def _dead_letters(organization: str | None, job_type: str | None) -> Criterion:
    visible = visibility.viewer().can_see_condition(pages.text(organization, "organization"))
    return pages.narrowed(visible & (JOB.status == str(JobStatus.DEAD_LETTER)), JOB, job_type=job_type)
