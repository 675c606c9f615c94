"""Figures about jobs for REST, the workspace's charts, and the report Job Type Performance.

They are only of jobs that the current user may see. A job has completed if it ended well, has failed if it is a Dead
Letter, and is retrying while it is Failed or Timed Out. It counts in the hours in which it ended. Desk's number cards
and docs/desk.md say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import frappe
from frappe.query_builder.functions import Avg, Coalesce, Count, Max, Min, Sum
from pypika import Order
from pypika.analytics import AnalyticFunction
from pypika.terms import Case, Criterion, CustomFunction, PseudoColumn, Term, ValueWrapper

from ..access import visibility
from ..lib import clock, ids, sql
from ..lib.rows import PRIORITIES
from ..lib.tables import JOB
from ..status import FINISHED, LIVE, NOT_BEGUN, RETRYING, JobStatus
from . import pages, waiting_reason

MAX_HOURS = 24 * 31
CHARTED_HOURS = 24
CHARTED_TYPES = 10
COMPLETED, FAILED = (JobStatus.COMPLETED,), (JobStatus.DEAD_LETTER,)
AVERAGE_AND_P95 = ("average_seconds", "p95_seconds")
NO_TIMES = {"count": 0, "average_seconds": None, "min_seconds": None, "max_seconds": None, "p95_seconds": None}
_difference = CustomFunction("TIMESTAMPDIFF", ["unit", "start", "end"])
_later = CustomFunction("GREATEST", ["one", "other"])
RUN_SECONDS = _difference(PseudoColumn("MICROSECOND"), JOB.started_at, JOB.completed_at) / 1_000_000
"""Seconds of the attempt that completed the job."""


def get_metrics(organization: str | None = None, hours: int = 24) -> dict[str, Any]:
    """Counts of jobs by state and of waiting ones by priority, and times and failures of the last `hours`.

    `{job_count_by_status, queue_depth_by_priority, processing_time: {average_seconds, p95_seconds},
    failure_rate_by_type, processing_time_by_type, p95_seconds_by_type, timestamp}`. Processing time is that of the
    attempt that completed the job, and of a type the average; the failure rate is the share of the failed jobs among
    those that have completed or failed, from 0 to 1.
    """
    visible = _visible(organization)
    by_status = _counts(JOB.status, visible)
    depths = _counts(JOB.priority, visible & _is(NOT_BEGUN))
    times, types = get_execution_time_stats(organization, hours=hours), _by_type(visible, hours)
    return {
        "job_count_by_status": {status.value: by_status.get(status.value, 0) for status in JobStatus},
        "queue_depth_by_priority": {priority: depths.get(priority, 0) for priority in PRIORITIES},
        "processing_time": {name: times[name] for name in AVERAGE_AND_P95},
        "failure_rate_by_type": {row["job_type"]: row["failure_rate"] or 0.0 for row in types},
        "processing_time_by_type": {row["job_type"]: row["average_seconds"] for row in types},
        "p95_seconds_by_type": {row["job_type"]: row["p95_seconds"] for row in types},
        "timestamp": clock.isoformat(clock.site_time()),
    }


def get_job_counts(organization: str | None = None) -> dict[str, Any]:
    """Counts of running, waiting, retrying and failed jobs, each up to 10,000.

    `{running, waiting, retrying, dead_letter, failed_today, failed_in_24_hours, today, day_ago}`: `dead_letter` are
    all that have failed. The last two are the moments from which failures count, by the site's clock.
    """
    visible = _visible(organization)
    now = clock.site_time()
    today, day_ago = now.replace(hour=0, minute=0, second=0, microsecond=0), now - timedelta(days=1)
    return {
        **_present(visible),
        "failed_today": _number(visible & (JOB.completed_at >= today), FAILED),
        "failed_in_24_hours": _number(visible & (JOB.completed_at >= day_ago), FAILED),
        "today": clock.isoformat(today),
        "day_ago": clock.isoformat(day_ago),
    }


def get_execution_time_stats(
    organization: str | None = None, job_type: str | None = None, hours: int = 24
) -> dict[str, Any]:
    """Times of the jobs that completed in the last `hours`.

    `{count, average_seconds, min_seconds, max_seconds, p95_seconds}`; None for a figure without jobs.
    """
    condition = pages.narrowed(_visible(organization) & _ended(hours, COMPLETED), JOB, job_type=job_type)
    return _times(ValueWrapper("all"), RUN_SECONDS, condition).get("all", NO_TIMES)


def get_type_figures(job_type: str, hours: int = 24) -> dict[str, Any]:
    """A type's jobs: counts as of `get_job_counts`, and `{count, failure_rate, average_seconds, p95_seconds, hours}`.

    `count` covers those that have completed or failed in the last `hours`. Times are of those that completed.
    """
    visible = _visible(None) & (JOB.job_type == job_type)
    found = next(iter(_by_type(visible, hours)), {})
    return {
        **_present(visible),
        "count": found.get("completed", 0) + found.get("failed", 0),
        **{name: found.get(name) for name in ("failure_rate", *AVERAGE_AND_P95)},
        "hours": pages.bounded(hours, "hours", 1, MAX_HOURS),
    }


def get_slowest_jobs(
    organization: str | None = None, job_type: str | None = None, hours: int = 24, limit: int = 10
) -> list[dict[str, Any]]:
    """The completed jobs of the last `hours` that took longest, the slowest first, with their `seconds`."""
    condition = pages.narrowed(_visible(organization) & _ended(hours, COMPLETED), JOB, job_type=job_type)
    fields = (JOB.name.as_("job_id"), JOB.job_type, JOB.organization, JOB.owner_user, JOB.completed_at)
    query = frappe.qb.from_(JOB).select(*fields, RUN_SECONDS.as_("seconds")).where(condition)
    query = query.orderby(RUN_SECONDS, order=Order.desc).limit(pages.bounded(limit, "limit", 1, pages.MAX_LIMIT))
    rows = visibility.viewer().with_organization_names(query.run(as_dict=True))
    return [{**pages.public(row), "seconds": _rounded(row["seconds"])} for row in rows]


def type_performance(organization: str | None = None, hours: int = 24) -> list[dict[str, Any]]:
    """Figures of the jobs of each type in the last `hours`, as of `_by_type`. The failure rate is a percentage."""
    rows = _by_type(_visible(organization), hours)
    for row in rows:
        row["failure_rate"] = None if row["failure_rate"] is None else 100 * row["failure_rate"]
    return rows


def _visible(organization: str | None) -> Criterion:
    """The condition for the jobs that the user may see."""
    return visibility.viewer().visible(JOB, pages.text(organization, "organization"))


def _ended(hours: Any, statuses: Collection[JobStatus] = FINISHED) -> Criterion:
    """The condition for jobs that have ended so in the last hours. A retry empties `completed_at`."""
    since = clock.site_time() - timedelta(hours=pages.bounded(hours, "hours", 1, MAX_HOURS))
    return (JOB.completed_at >= since) & _is(statuses)


def _is(statuses: Collection[JobStatus]) -> Criterion:
    return JOB.status.isin([status.value for status in statuses])


def _present(condition: Criterion) -> dict[str, int]:
    """How many jobs run, wait, are retrying or have failed by now."""
    states = {"running": (JobStatus.RUNNING,), "waiting": NOT_BEGUN, "retrying": RETRYING, "dead_letter": FAILED}
    return {name: _number(condition, statuses) for name, statuses in states.items()}


def _number(condition: Criterion, statuses: Collection[JobStatus]) -> int:
    return sql.count(JOB, condition & _is(statuses), pages.MAX_TOTAL)


def _counts(column: Term, condition: Criterion) -> dict[Any, int]:
    return dict(frappe.qb.from_(JOB).select(column, Count("*")).where(condition).groupby(column).run())


def _by_type(visible: Criterion, hours: Any) -> list[dict[str, Any]]:
    """Counts of the jobs of each type that have ended in the last `hours`, and are live now. The most jobs come first.

    Rows of `job_type, jobs, completed, failed, canceled, live, retries, failure_rate, average_seconds, p95_seconds`:
    retries of the ended ones, times of the completed ones. `failure_rate`: the share of the failed ones among those
    that have completed or failed, or None.
    """
    kinds = {"completed": COMPLETED, "failed": FAILED, "canceled": (JobStatus.CANCELED,)}
    counts = [Count(Case().when(_is(statuses), 1)).as_(name) for name, statuses in kinds.items()]
    columns = (JOB.job_type, *counts, Sum(JOB.retry_count).as_("retries"))
    query = frappe.qb.from_(JOB).select(*columns).where(visible & _ended(hours)).groupby(JOB.job_type)
    ended, live = {row["job_type"]: row for row in query.run(as_dict=True)}, _counts(JOB.job_type, visible & _is(LIVE))
    times = _times(JOB.job_type, RUN_SECONDS, visible & _ended(hours, COMPLETED))
    rows = []
    for job_type in ended.keys() | live.keys():
        row = {"job_type": job_type, **dict.fromkeys((*kinds, "retries"), 0), **ended.get(job_type, {})}
        decided, of_type = row["completed"] + row["failed"], times.get(job_type, NO_TIMES)
        row |= {"live": live.get(job_type, 0), "retries": int(row["retries"] or 0)}
        row["jobs"] = row["live"] + decided + row["canceled"]
        row["failure_rate"] = _rounded(row["failed"] / decided, 4) if decided else None
        rows.append(row | {name: of_type[name] for name in AVERAGE_AND_P95})
    return sorted(rows, key=lambda row: (-row["jobs"], row["job_type"]))


def _times(group: Term, seconds: Term, condition: Criterion) -> dict[Any, dict[str, Any]]:
    """Figures of the seconds of each group of jobs, in one statement. The percentile is that by nearest rank."""
    times = frappe.qb.from_(JOB).select(group.as_("of"), seconds.as_("seconds")).where(condition).as_("times")
    share = AnalyticFunction("CUME_DIST").over(times.of).orderby(times.seconds).as_("share")
    ranked = frappe.qb.from_(times).select(times.of, times.seconds, share).as_("ranked")
    slowest = Case().when(ranked.share >= 0.95, ranked.seconds)
    figures = (Count("*"), Avg(ranked.seconds), Min(ranked.seconds), Max(ranked.seconds), Min(slowest))
    rows = frappe.qb.from_(ranked).select(ranked.of, *figures).groupby(ranked.of).run()
    return {of: dict(zip(NO_TIMES, (count, *map(_rounded, found)), strict=True)) for of, count, *found in rows}


def _rounded(value: Any, digits: int = 3) -> float | None:
    return None if value is None else round(float(value), digits)


# Charts of the workspace, of the last 24 hours: labels and values, or none ------------------------------------------


def throughput() -> tuple[list[str], list[float]]:
    """Completed jobs by the hour of their end, the present hour last."""
    now = clock.site_time()
    condition = _visible(None) & _ended(CHARTED_HOURS, COMPLETED)
    return _by_hour(now, _counts(_hours_ago(JOB.completed_at, now), condition))


def waiting_time() -> tuple[list[str], list[float]]:
    """95th percentile of the seconds from due time to start, by the hour of the start, of jobs submitted since then."""
    now = clock.site_time()
    due = _later(JOB.created_at, Coalesce(JOB.available_at, JOB.created_at))
    waited = _difference(PseudoColumn("MICROSECOND"), due, JOB.started_at) / 1_000_000
    submitted = JOB.name >= ids.first_job_name(clock.now_epoch() - 3600 * CHARTED_HOURS)  # names are in their order
    condition = _visible(None) & submitted & JOB.started_at.isnotnull()
    times = _times(_hours_ago(JOB.started_at, now), waited, condition)
    return _by_hour(now, {hour: max(0.0, found["p95_seconds"]) for hour, found in times.items()})


def failures() -> tuple[list[str], list[float]]:
    """Jobs that have failed, by type, those with the most first."""
    failed = _counts(JOB.job_type, _visible(None) & _ended(CHARTED_HOURS, FAILED))
    most = Counter(failed).most_common(CHARTED_TYPES)
    return [name for name, _number in most], [number for _name, number in most]


def _hours_ago(column: Term, now: datetime) -> Term:
    """The hours back by the clock: 0 for the present one."""
    end_of_hour = now.replace(minute=59, second=59, microsecond=999_999)
    return _difference(PseudoColumn("HOUR"), column, end_of_hour)


def _by_hour(now: datetime, values: Mapping[Any, float]) -> tuple[list[str], list[float]]:
    """Values by hour of the site's clock. Labels are the hours' starts on the user's clock, like all times in Desk."""
    if not values:
        return [], []
    hours, zone = range(CHARTED_HOURS - 1, -1, -1), waiting_reason.zone()
    begun = clock.to_epoch(now.replace(minute=0, second=0, microsecond=0))
    labels = [f"{datetime.fromtimestamp(begun - hour * 3600, zone):%H:%M}" for hour in hours]
    return labels, [values.get(hour, 0) for hour in hours]
