"""Figures about jobs: only of those that the current user may see, for all callers.

Job names are in the order of their making, so "of the last hours" is a range of the primary key.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import frappe
from frappe.query_builder.functions import Avg, Count, Max, Min
from pypika import Order
from pypika.analytics import AnalyticFunction
from pypika.queries import QueryBuilder, Table
from pypika.terms import Criterion, CustomFunction, PseudoColumn, Term

from ..access import visibility
from ..lib import clock, config, ids, priorities
from ..status import NOT_BEGUN, RETRYABLE, JobStatus
from . import list_arguments, pages

MAX_HOURS = 24 * 31
P95 = 0.95
difference = CustomFunction("TIMESTAMPDIFF", ["unit", "start", "end"])


def get_metrics(organization: str | None = None, hours: int = 24) -> dict[str, Any]:
    """Counts of jobs by state and of waiting ones by priority, and times and failures of the last `hours`.

    `{job_count_by_status, queue_depth_by_priority, processing_time: {average_seconds, p95_seconds},
    failure_rate_by_type, processing_time_by_type, p95_seconds_by_type, timestamp}`. Processing time is that of the
    attempt that completed the job, and of a type the average; the failure rate is the share of ended jobs that have
    failed (not of canceled ones), from 0 to 1.
    """
    job = frappe.qb.DocType(config.JOB)
    visible = _visible(job, organization)
    recent = visible & since(job, hours)
    by_status = _counts(job, job.status, visible)
    by_type = _by_type(job, recent)
    slowest = p95_by_type(job, recent)
    return {
        "job_count_by_status": {status.value: by_status.get(status.value, 0) for status in JobStatus},
        "queue_depth_by_priority": _depths(job, visible),
        "processing_time": _times(job, recent),
        "failure_rate_by_type": {name: figures["failure_rate"] for name, figures in by_type.items()},
        "processing_time_by_type": {name: figures["average_seconds"] for name, figures in by_type.items()},
        "p95_seconds_by_type": {name: _rounded(slowest.get(name)) for name in by_type},
        "timestamp": clock.isoformat(clock.site_time()),
    }


def get_job_counts(organization: str | None = None) -> dict[str, Any]:
    """Counts of running, waiting, lately failed and dead letter jobs, each up to 10,000.

    `{running, waiting, failed_today, failed_in_24_hours, dead_letter, today, day_ago}`; the last two are the moments
    from which failures count. The day is that of the site's clock.
    """
    job = frappe.qb.DocType(config.JOB)
    visible = _visible(job, organization)
    now = clock.site_time()
    today, day_ago = now.replace(hour=0, minute=0, second=0, microsecond=0), now - timedelta(days=1)
    return {
        "running": _number(job, visible, [JobStatus.RUNNING]),
        "waiting": _number(job, visible, NOT_BEGUN),
        "failed_today": _number(job, visible & (job.modified >= today), RETRYABLE),
        "failed_in_24_hours": _number(job, visible & (job.modified >= day_ago), RETRYABLE),
        "dead_letter": _number(job, visible, [JobStatus.DEAD_LETTER]),
        "today": clock.isoformat(today),
        "day_ago": clock.isoformat(day_ago),
    }


def _number(job: Table, condition: Criterion, statuses: Collection[JobStatus]) -> int:
    condition &= job.status.isin([status.value for status in statuses])
    return pages.total_query(condition).run()[0][0]


def get_execution_time_stats(
    organization: str | None = None, job_type: str | None = None, hours: int = 24
) -> dict[str, Any]:
    """Times of the jobs that were submitted in the last `hours` and completed.

    `{count, average_seconds, min_seconds, max_seconds, p50_seconds, p95_seconds}`; None for a figure without jobs.
    """
    job = frappe.qb.DocType(config.JOB)
    condition = list_arguments.narrowed(_visible(job, organization) & since(job, hours), job, job_type=job_type)
    return _times(job, condition, in_full=True)


def get_type_figures(job_type: str, hours: int = 24) -> dict[str, Any]:
    """A type's jobs: `{running, waiting, dead_letter, count, failure_rate, average_seconds, p95_seconds, hours}`.

    `count` covers those that were submitted in the last `hours` and have ended, for good or bad. Times are of those
    that completed. The failure rate, as everywhere, also counts a failure that is retried.
    """
    job = frappe.qb.DocType(config.JOB)
    visible = _visible(job, None) & (job.job_type == job_type)
    recent = visible & since(job, hours)
    found = _by_type(job, recent).get(job_type) or {"ended": 0, "tried": 0}
    return {
        "running": _number(job, visible, [JobStatus.RUNNING]),
        "waiting": _number(job, visible, NOT_BEGUN),
        "dead_letter": _number(job, visible, [JobStatus.DEAD_LETTER]),
        "count": found["ended"],
        "failure_rate": found["failure_rate"] if found["tried"] else None,
        **_times(job, recent),
        "hours": list_arguments.bounded(hours, 1, MAX_HOURS, "hours"),
    }


def get_slowest_jobs(
    organization: str | None = None, job_type: str | None = None, hours: int = 24, limit: int = 10
) -> list[dict[str, Any]]:
    """The completed jobs of the last `hours` that took longest, the slowest first, with their `seconds`."""
    job = frappe.qb.DocType(config.JOB)
    condition = list_arguments.narrowed(_visible(job, organization) & since(job, hours), job, job_type=job_type)
    condition &= _completed(job)
    seconds = run_seconds(job)
    fields = (job.name.as_("job_id"), job.job_type, job.organization, job.owner_user, job.completed_at)
    query = frappe.qb.from_(job).select(*fields, seconds.as_("seconds")).where(condition)
    query = query.orderby(seconds, order=Order.desc).limit(list_arguments.bounded(limit, 1, pages.MAX_LIMIT, "limit"))
    rows = visibility.viewer().with_organization_names(query.run(as_dict=True))
    return [
        {**row, "completed_at": clock.isoformat(row["completed_at"]), "seconds": round(float(row["seconds"]), 3)}
        for row in rows
    ]


def _visible(job: Table, organization: str | None) -> Criterion:
    return visibility.viewer().visible(job, list_arguments.organization_filter(organization))


def since(job: Table, hours: Any) -> Criterion:
    """The condition for jobs submitted in so many last hours, MAX_HOURS at most."""
    past = list_arguments.bounded(hours, 1, MAX_HOURS, "hours") * 3600
    return job.name >= ids.first_job_name(clock.now_epoch() - past)


def _completed(job: Table) -> Criterion:
    return (job.status == JobStatus.COMPLETED.value) & job.started_at.isnotnull() & job.completed_at.isnotnull()


def run_seconds(job: Table) -> Term:
    """Seconds of the attempt that completed the job."""
    return difference(PseudoColumn("MICROSECOND"), job.started_at, job.completed_at) / 1_000_000


def _counts(job: Table, column: Term, condition: Criterion) -> dict[str, int]:
    rows = frappe.qb.from_(job).select(column, Count("*")).where(condition).groupby(column).run()
    return dict(rows)


def _depths(job: Table, condition: Criterion) -> dict[str, int]:
    waiting = condition & job.status.isin([status.value for status in NOT_BEGUN])
    found = _counts(job, job.priority, waiting)
    return {priority: found.get(priority, 0) for priority in priorities.PRIORITIES}


def _times(job: Table, condition: Criterion, *, in_full: bool = False) -> dict[str, Any]:
    done, seconds = condition & _completed(job), run_seconds(job)
    query = frappe.qb.from_(job).select(Count("*"), Avg(seconds), Min(seconds), Max(seconds)).where(done)
    count, average, least, most = query.run()[0]
    figures = {"average_seconds": _rounded(average), "p95_seconds": _percentile(job, done, seconds, count, P95)}
    if in_full:
        figures |= {"count": count, "min_seconds": _rounded(least), "max_seconds": _rounded(most)}
        figures["p50_seconds"] = _percentile(job, done, seconds, count, 0.5)
    return figures


def _percentile(job: Table, condition: Criterion, seconds: Term, count: int, share: float) -> float | None:
    """The nearest-rank percentile."""
    if not count:
        return None
    rank = max(0, math.ceil(count * share) - 1)
    query = frappe.qb.from_(job).select(seconds).where(condition).orderby(seconds)
    return _rounded(query.limit(1).offset(rank).run()[0][0])


def p95_of_each(rows: QueryBuilder, group: str, value: str) -> dict[Any, Any]:
    """The nearest-rank percentile of a column for each group of rows (a query with an alias), in one statement."""
    share = AnalyticFunction("CUME_DIST").over(rows[group]).orderby(rows[value]).as_("share")
    ranked = frappe.qb.from_(rows).select(rows[group], rows[value], share).as_("ranked")
    query = frappe.qb.from_(ranked).select(ranked[group], Min(ranked[value])).where(ranked.share >= P95)
    return dict(query.groupby(ranked[group]).run())


def p95_by_type(job: Table, condition: Criterion) -> dict[str, Any]:
    """The nearest-rank percentile of the time that the completed jobs of each type took."""
    done = condition & _completed(job)
    times = frappe.qb.from_(job).select(job.job_type, run_seconds(job).as_("seconds")).where(done).as_("times")
    return p95_of_each(times, "job_type", "seconds")


def _by_type(job: Table, condition: Criterion) -> dict[str, dict[str, Any]]:
    rows: Sequence[tuple[Any, ...]] = (
        frappe.qb.from_(job)
        .select(job.job_type, job.status, Count("*"), Avg(run_seconds(job)))
        .where(condition)
        .groupby(job.job_type, job.status)
    ).run()
    figures: dict[str, dict[str, Any]] = {}
    for name in sorted({row[0] for row in rows}):
        counts = {row[1]: row[2] for row in rows if row[0] == name}
        failed = sum(counts.get(status.value, 0) for status in RETRYABLE)
        completed = counts.get(JobStatus.COMPLETED.value, 0)
        tried = failed + completed
        average = next((row[3] for row in rows if row[:2] == (name, JobStatus.COMPLETED.value)), None)
        figures[name] = {
            "ended": completed + counts.get(JobStatus.DEAD_LETTER.value, 0),
            "tried": tried,
            "failure_rate": round(failed / tried, 4) if tried else 0.0,
            "average_seconds": _rounded(average),
        }
    return figures


def _rounded(seconds: Any) -> float | None:
    return None if seconds is None else round(float(seconds), 3)
