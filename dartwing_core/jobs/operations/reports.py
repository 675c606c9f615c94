"""The tables behind Desk's reports: only of jobs that the current user may see."""

from __future__ import annotations

from typing import Any

import frappe
from frappe import _
from frappe.query_builder.functions import Avg, Coalesce, Count, Max, Min
from pypika import Case, Order
from pypika.functions import Sum
from pypika.queries import Table
from pypika.terms import Criterion, CustomFunction, Term

from ..access import visibility
from ..errors import InvalidJobError
from ..lib import config
from ..read import list_arguments, pages
from ..read.metrics import p95_by_type, run_seconds, since
from ..status import RETRYABLE, JobStatus
from . import bulk

GROUPS = 500
LONGEST_FINGERPRINT = 64
PATTERN_LENGTH = 200
VARIABLE = r"[0-9a-fA-F]{8}[0-9a-fA-F-]*|[0-9]+"
"""Parts that differ between errors of one cause: numbers, and ids in hexadecimal digits."""

_replace = CustomFunction("REGEXP_REPLACE", ["text", "pattern", "replacement"])
_left = CustomFunction("LEFT", ["text", "length"])
_sha2 = CustomFunction("SHA2", ["text", "bits"])
_concat = CustomFunction("CONCAT_WS", ["separator", "one", "other"])


def check_reader() -> None:
    """Raises PermissionError in Frappe's background jobs, which prepare and mail a report for other readers."""
    if getattr(frappe.local, "job", None):
        raise frappe.PermissionError(_("This report is only for its reader, and is neither prepared nor mailed."))


def type_performance(organization: str | None = None, hours: int = 24) -> list[dict[str, Any]]:
    """Figures of the jobs of each type that were submitted in the last `hours`, the type with the most first.

    Rows of `job_type, jobs, completed, failed, canceled, live, failure_rate, average_seconds, p95_seconds, retries`;
    the failure rate is the percentage of those that ended, without canceled ones.
    """
    job = frappe.qb.DocType(config.JOB)
    recent = visibility.viewer().visible(job, list_arguments.organization_filter(organization)) & since(job, hours)
    number, seconds = Count("*"), _seconds(job)
    columns = (
        job.job_type,
        number.as_("jobs"),
        _sum(job.status == str(JobStatus.COMPLETED)).as_("completed"),
        _sum(job.status.isin([str(status) for status in RETRYABLE])).as_("failed"),
        _sum(job.status == str(JobStatus.CANCELED)).as_("canceled"),
        Sum(job.retry_count).as_("retries"),
        Avg(seconds).as_("average_seconds"),
    )
    query = frappe.qb.from_(job).select(*columns).where(recent).groupby(job.job_type)
    rows = query.orderby(number, order=Order.desc).orderby(job.job_type).run(as_dict=True)
    slowest = p95_by_type(job, recent)
    return [_performance(row, slowest.get(row["job_type"])) for row in rows]


def _performance(row: dict[str, Any], p95: Any) -> dict[str, Any]:
    ended = int(row["completed"] + row["failed"])
    return {
        **row,
        "live": int(row["jobs"] - ended - row["canceled"]),
        "failure_rate": round(100 * float(row["failed"]) / ended, 1) if ended else None,
        "average_seconds": _rounded(row["average_seconds"]),
        "p95_seconds": _rounded(p95),
    }


def _seconds(job: Table) -> Term:
    """Seconds of the attempt that completed the job. NULL for other jobs."""
    return Case().when(job.status == str(JobStatus.COMPLETED), run_seconds(job))


def _sum(condition: Criterion) -> Term:
    return Sum(Case().when(condition, 1).else_(0))


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 2)


# Dead letters --------------------------------------------------------------------------------------------------------


def dead_letters_by_error(organization: str | None = None, job_type: str | None = None) -> list[dict[str, Any]]:
    """Dead letters of one type with one kind of error, the kinds with the most first, at most 500.

    Rows of `job_type, error, jobs, organizations, first, last, sample, fingerprint`: errors that differ only in
    numbers and ids are of one kind, whose `fingerprint` `retry_dead_letters` takes. `sample` is the latest job.
    """
    job, condition = _dead_letters(organization, job_type)
    fingerprint, number = _fingerprint(job), Count("*")
    columns = (
        Max(job.job_type).as_("job_type"),
        Max(_left(Coalesce(job.error_message, ""), PATTERN_LENGTH)).as_("error"),
        number.as_("jobs"),
        Count(job.organization).distinct().as_("organizations"),
        Min(job.modified).as_("first"),
        Max(job.modified).as_("last"),
        Max(job.name).as_("sample"),
        fingerprint.as_("fingerprint"),
    )
    query = frappe.qb.from_(job).select(*columns).where(condition).groupby(fingerprint)
    return query.orderby(number, order=Order.desc).limit(GROUPS).run(as_dict=True)


def retry_dead_letters(
    fingerprints: list[str], organization: str | None = None, job_type: str | None = None
) -> dict[str, Any]:
    """Retry the dead letters with these kinds of errors, the oldest 500: `{done, refused, left}`.

    `left`: how many such jobs there are besides. Raises InvalidJobError for a value that is no list of fingerprints.
    """
    if isinstance(fingerprints, list) and len(fingerprints) > GROUPS:
        raise InvalidJobError(_("{0}: at most {1} at once.").format("fingerprints", GROUPS))
    is_list = isinstance(fingerprints, list) and all(isinstance(text, str) for text in fingerprints)
    if not is_list or any(len(text) > LONGEST_FINGERPRINT for text in fingerprints):
        raise InvalidJobError(_("{0} must be a list of texts.").format("fingerprints"))
    if not fingerprints:
        return {"done": [], "refused": {}, "left": 0}
    job, condition = _dead_letters(organization, job_type)
    condition &= _fingerprint(job).isin(fingerprints)
    query = frappe.qb.from_(job).select(job.name).where(condition).orderby(job.name)
    names = query.limit(bulk.MAX_JOBS).run(pluck=True)
    total = pages.total_query(condition).run()[0][0]
    return {**bulk.retry_jobs(names), "left": total - len(names)}


def _dead_letters(organization: str | None, job_type: str | None) -> tuple[Table, Criterion]:
    job = frappe.qb.DocType(config.JOB)
    visible = visibility.viewer().can_see_condition(job, list_arguments.organization_filter(organization))
    return job, list_arguments.narrowed(visible & (job.status == str(JobStatus.DEAD_LETTER)), job, job_type=job_type)


def _fingerprint(job: Table) -> Term:
    pattern = _left(_replace(Coalesce(job.error_message, ""), VARIABLE, "#"), PATTERN_LENGTH)
    return _left(_sha2(_concat("|", job.job_type, pattern), 256), 20)
