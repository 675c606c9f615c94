"""Figures about jobs for REST, the workspace's cards and charts, and the report Job Type Performance.

They are only of jobs that the current user may see. Job names are in the order of their making, so "of the last hours"
is a range of the primary key.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import frappe
from frappe.query_builder.functions import Avg, Coalesce, Count, Max, Min, Sum
from pypika import Order
from pypika.analytics import AnalyticFunction
from pypika.queries import QueryBuilder, Table
from pypika.terms import Criterion, CustomFunction, PseudoColumn, Term, ValueWrapper

from ..access import visibility
from ..lib import clock, config, ids, priorities
from ..status import NOT_BEGUN, RETRYABLE, JobStatus
from . import pages, waiting_reason

MAX_HOURS = 24 * 31
CHARTED_HOURS = 24
CHARTED_TYPES = 10
P95 = 0.95
_difference = CustomFunction("TIMESTAMPDIFF", ["unit", "start", "end"])
_later = CustomFunction("GREATEST", ["one", "other"])


def get_metrics(organization: str | None = None, hours: int = 24) -> dict[str, Any]:
    """Counts of jobs by state and of waiting ones by priority, and times and failures of the last `hours`.

    `{job_count_by_status, queue_depth_by_priority, processing_time: {average_seconds, p95_seconds},
    failure_rate_by_type, processing_time_by_type, p95_seconds_by_type, timestamp}`. Processing time is that of the
    attempt that completed the job, and of a type the average; the failure rate is the share of ended jobs that have
    failed (not of canceled ones), from 0 to 1.
    """
    job, visible = _visible(organization)
    recent = visible & _since(job, hours)
    by_status = _counts(job, job.status, visible)
    depths = _counts(job, job.priority, visible & job.status.isin([status.value for status in NOT_BEGUN]))
    types = sorted(_by_type(job, recent), key=lambda row: row["job_type"])
    times = _times(job, recent)
    return {
        "job_count_by_status": {status.value: by_status.get(status.value, 0) for status in JobStatus},
        "queue_depth_by_priority": {priority: depths.get(priority, 0) for priority in priorities.PRIORITIES},
        "processing_time": {name: times[name] for name in ("average_seconds", "p95_seconds")},
        "failure_rate_by_type": {row["job_type"]: round(row["failure_rate"] or 0, 4) for row in types},
        "processing_time_by_type": {row["job_type"]: _rounded(row["average_seconds"]) for row in types},
        "p95_seconds_by_type": {row["job_type"]: _rounded(row["p95_seconds"]) for row in types},
        "timestamp": clock.isoformat(clock.site_time()),
    }


def get_job_counts(organization: str | None = None) -> dict[str, Any]:
    """Counts of running, waiting, lately failed and dead letter jobs, each up to 10,000.

    `{running, waiting, failed_today, failed_in_24_hours, dead_letter, today, day_ago}`; the last two are the moments
    from which failures count. The day is that of the site's clock.
    """
    job, visible = _visible(organization)
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


def get_execution_time_stats(
    organization: str | None = None, job_type: str | None = None, hours: int = 24
) -> dict[str, Any]:
    """Times of the jobs that were submitted in the last `hours` and completed.

    `{count, average_seconds, min_seconds, max_seconds, p95_seconds}`; None for a figure without jobs.
    """
    job, visible = _visible(organization)
    return _times(job, pages.narrowed(visible & _since(job, hours), job, job_type=job_type))


def get_type_figures(job_type: str, hours: int = 24) -> dict[str, Any]:
    """A type's jobs: `{running, waiting, dead_letter, count, failure_rate, average_seconds, p95_seconds, hours}`.

    `count` covers those that were submitted in the last `hours` and have ended, for good or bad. Times are of those
    that completed. The failure rate, as everywhere, also counts a failure that is retried.
    """
    job, visible = _visible(None)
    visible &= job.job_type == job_type
    found = next(iter(_by_type(job, visible & _since(job, hours))), {})
    return {
        "running": _number(job, visible, [JobStatus.RUNNING]),
        "waiting": _number(job, visible, NOT_BEGUN),
        "dead_letter": _number(job, visible, [JobStatus.DEAD_LETTER]),
        "count": found.get("completed", 0) + found.get("dead_letters", 0),
        "failure_rate": _rounded(found.get("failure_rate"), 4),
        "average_seconds": _rounded(found.get("average_seconds")),
        "p95_seconds": _rounded(found.get("p95_seconds")),
        "hours": pages.bounded(hours, 1, MAX_HOURS),
    }


def get_slowest_jobs(
    organization: str | None = None, job_type: str | None = None, hours: int = 24, limit: int = 10
) -> list[dict[str, Any]]:
    """The completed jobs of the last `hours` that took longest, the slowest first, with their `seconds`."""
    job, visible = _visible(organization)
    condition = pages.narrowed(visible & _since(job, hours) & _completed(job), job, job_type=job_type)
    seconds = _run_seconds(job)
    fields = (job.name.as_("job_id"), job.job_type, job.organization, job.owner_user, job.completed_at)
    query = frappe.qb.from_(job).select(*fields, seconds.as_("seconds")).where(condition)
    query = query.orderby(seconds, order=Order.desc).limit(pages.bounded(limit, 1, pages.MAX_LIMIT))
    rows = visibility.viewer().with_organization_names(query.run(as_dict=True))
    return [{**pages.public(row), "seconds": _rounded(row["seconds"])} for row in rows]


def type_performance(organization: str | None = None, hours: int = 24) -> list[dict[str, Any]]:
    """Figures of the jobs of each type that were submitted in the last `hours`, the type with the most first.

    Rows of `job_type, jobs, completed, failed, canceled, live, failure_rate, average_seconds, p95_seconds, retries`;
    the failure rate is the percentage of those that ended, without canceled ones.
    """
    job, visible = _visible(organization)
    rows = _by_type(job, visible & _since(job, hours))
    for row in rows:
        rate = row["failure_rate"]
        row |= {
            "live": row["jobs"] - row["completed"] - row["failed"] - row["canceled"],
            "failure_rate": None if rate is None else round(100 * rate, 1),
            "average_seconds": _rounded(row["average_seconds"], 2),
            "p95_seconds": _rounded(row["p95_seconds"], 2),
        }
        del row["dead_letters"]
    return rows


def _visible(organization: str | None) -> tuple[Table, Criterion]:
    """The table of jobs, and the condition for those that the user may see."""
    job = frappe.qb.DocType(config.JOB)
    return job, visibility.viewer().visible(job, pages.text(organization, "organization"))


def _since(job: Table, hours: Any) -> Criterion:
    """The condition for jobs submitted in so many last hours."""
    return job.name >= ids.first_job_name(clock.now_epoch() - 3600 * pages.bounded(hours, 1, MAX_HOURS))


def _completed(job: Table) -> Criterion:
    return job.status == JobStatus.COMPLETED.value


def _run_seconds(job: Table) -> Term:
    """Seconds of the attempt that completed the job."""
    return _difference(PseudoColumn("MICROSECOND"), job.started_at, job.completed_at) / 1_000_000


def _number(job: Table, condition: Criterion, statuses: Collection[JobStatus]) -> int:
    condition &= job.status.isin([status.value for status in statuses])
    return pages.total_query(condition, job).run()[0][0]


def _counts(job: Table, column: Term, condition: Criterion) -> dict[str, int]:
    return dict(frappe.qb.from_(job).select(column, Count("*")).where(condition).groupby(column).run())


def _by_type(job: Table, condition: Criterion) -> list[dict[str, Any]]:
    """Counts of the jobs of each type, and times of its completed ones, the type with the most jobs first.

    `failure_rate`: the share of the failed ones among those that have completed or failed.
    """
    columns = (job.job_type, job.status, Count("*"), Sum(job.retry_count), Avg(_run_seconds(job)))
    found = frappe.qb.from_(job).select(*columns).where(condition).groupby(job.job_type, job.status).run()
    done = frappe.qb.from_(job).select(job.job_type, _run_seconds(job).as_("seconds"))
    slowest = _p95_of_each(done.where(condition & _completed(job)).as_("times"), "job_type", "seconds")
    numbers: dict[str, Counter[str]] = defaultdict(Counter)
    averages, retries = {}, Counter[str]()
    for name, status, number, retried, average in found:
        numbers[name][status] = number
        retries[name] += int(retried or 0)
        averages[name, status] = average
    rows: list[dict[str, Any]] = [
        {
            "job_type": name,
            "jobs": by_status.total(),
            "completed": by_status[JobStatus.COMPLETED.value],
            "failed": sum(by_status[status.value] for status in RETRYABLE),
            "dead_letters": by_status[JobStatus.DEAD_LETTER.value],
            "canceled": by_status[JobStatus.CANCELED.value],
            "retries": retries[name],
            "average_seconds": averages.get((name, JobStatus.COMPLETED.value)),
            "p95_seconds": slowest.get(name),
        }
        for name, by_status in numbers.items()
    ]
    for row in rows:
        ended = row["completed"] + row["failed"]
        row["failure_rate"] = row["failed"] / ended if ended else None
    return sorted(rows, key=lambda row: (-row["jobs"], row["job_type"]))


def _times(job: Table, condition: Criterion) -> dict[str, Any]:
    """Count and times of the completed jobs, as of `get_execution_time_stats`."""
    done, seconds = condition & _completed(job), _run_seconds(job)
    query = frappe.qb.from_(job).select(Count("*"), Avg(seconds), Min(seconds), Max(seconds)).where(done)
    count, average, least, most = query.run()[0]
    times = frappe.qb.from_(job).select(ValueWrapper("all").as_("which"), seconds.as_("seconds")).where(done)
    return {
        "count": count,
        "average_seconds": _rounded(average),
        "min_seconds": _rounded(least),
        "max_seconds": _rounded(most),
        "p95_seconds": _rounded(_p95_of_each(times.as_("times"), "which", "seconds").get("all")),
    }


def _p95_of_each(rows: QueryBuilder, group: str, value: str) -> dict[Any, Any]:
    """The nearest-rank percentile of a column for each group of rows (a query with an alias), in one statement."""
    share = AnalyticFunction("CUME_DIST").over(rows[group]).orderby(rows[value]).as_("share")
    ranked = frappe.qb.from_(rows).select(rows[group], rows[value], share).as_("ranked")
    query = frappe.qb.from_(ranked).select(ranked[group], Min(ranked[value])).where(ranked.share >= P95)
    return dict(query.groupby(ranked[group]).run())


def _rounded(seconds: Any, digits: int = 3) -> float | None:
    return None if seconds is None else round(float(seconds), digits)


# Charts of the workspace, of the jobs that were submitted in the last 24 hours ---------------------------------------


def throughput() -> dict[str, Any]:
    """Completed jobs by the hour of their end: `{labels, values, yMarkers}`, the present hour last, or empty."""
    job, visible = _visible(None)
    now = clock.site_time()
    condition = visible & _since(job, CHARTED_HOURS) & _completed(job)
    return _by_hour(now, _counts(job, _hours_ago(job.completed_at, now), condition))


def waiting_time() -> dict[str, Any]:
    """95th percentile of the seconds from due time to start, by the hour of the start."""
    job, visible = _visible(None)
    now = clock.site_time()
    due = _later(job.created_at, Coalesce(job.available_at, job.created_at))
    waited = _difference(PseudoColumn("MICROSECOND"), due, job.started_at).as_("waited")
    waits = frappe.qb.from_(job).select(_hours_ago(job.started_at, now).as_("ago"), waited)
    waits = waits.where(visible & _since(job, CHARTED_HOURS) & job.started_at.isnotnull())
    slowest = _p95_of_each(waits.as_("waits"), "ago", "waited")
    return _by_hour(now, {hour: max(0.0, round(float(waited) / 1_000_000, 2)) for hour, waited in slowest.items()})


def failures() -> dict[str, Any]:
    """Jobs that have failed, by type, those with the most first."""
    job, visible = _visible(None)
    failed_lately = _since(job, CHARTED_HOURS) & job.status.isin([status.value for status in RETRYABLE])
    failed = _counts(job, job.job_type, visible & failed_lately)
    most = sorted(failed.items(), key=lambda found: (-found[1], found[0]))[:CHARTED_TYPES]
    return {"labels": [name for name, _number in most], "values": [number for _name, number in most]}


def whole_axis(values: Sequence[float]) -> list[dict[str, Any]]:
    """`yMarkers` for a chart: one invisible marker, so high that the axis has its ticks at whole numbers.

    Frappe's charts divide an axis of two or less, and one of ten, into quarters.
    """
    highest = max(values, default=0)
    return [{"label": "", "value": 12 if highest == 10 else max(4, highest), "options": {"stroke": "transparent"}}]


def _hours_ago(column: Term, now: datetime) -> Term:
    """The hours back by the clock: 0 for the present one."""
    end_of_hour = now.replace(minute=59, second=59, microsecond=999_999)
    return _difference(PseudoColumn("HOUR"), column, end_of_hour)


def _by_hour(now: datetime, values: dict[Any, Any]) -> dict[str, Any]:
    """Values by hour of the site's clock. Labels are the hours' starts on the user's clock, like all times in Desk."""
    if not values:
        return {"labels": [], "values": []}
    hours, zone = range(CHARTED_HOURS - 1, -1, -1), waiting_reason.zone()
    begun = clock.to_epoch(now.replace(minute=0, second=0, microsecond=0))
    return {
        "labels": [f"{datetime.fromtimestamp(begun - hour * 3600, zone):%H:%M}" for hour in hours],
        "values": [values.get(hour, 0) for hour in hours],
        "yMarkers": whole_axis(list(values.values())),
    }
