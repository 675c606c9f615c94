"""Figures of the last 24 hours for the charts of the workspace: only of jobs that the current user may see.

They cover jobs submitted within that time, which are a range of the primary key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import frappe
from frappe.query_builder.functions import Coalesce, Count
from pypika import Order
from pypika.queries import Table
from pypika.terms import Criterion, CustomFunction, PseudoColumn, Term

from ..access import visibility
from ..lib import clock, config
from ..status import RETRYABLE, JobStatus
from . import waiting_reason
from .metrics import difference, p95_of_each, since

HOURS = 24
TYPES = 10
_later = CustomFunction("GREATEST", ["one", "other"])


def throughput() -> dict[str, Any]:
    """Completed jobs by the hour of their end: `{labels, values, yMarkers}`, the present hour last, or empty."""
    job = frappe.qb.DocType(config.JOB)
    now = clock.site_time()
    ago = _hours_ago(job.completed_at, now)
    condition = _recent(job) & (job.status == str(JobStatus.COMPLETED)) & job.completed_at.isnotnull()
    rows = frappe.qb.from_(job).select(ago, Count("*")).where(condition).groupby(ago).run()
    return _by_hour(now, dict(rows))


def waiting_time() -> dict[str, Any]:
    """95th percentile of the seconds from due time to start, by the hour of the start."""
    job = frappe.qb.DocType(config.JOB)
    now = clock.site_time()
    ago = _hours_ago(job.started_at, now).as_("ago")
    due = _later(job.created_at, Coalesce(job.available_at, job.created_at))
    waited = difference(PseudoColumn("MICROSECOND"), due, job.started_at).as_("waited")
    condition = _recent(job) & job.started_at.isnotnull()
    waits = frappe.qb.from_(job).select(ago, waited).where(condition).as_("waits")
    slowest = p95_of_each(waits, "ago", "waited")
    return _by_hour(now, {hour: max(0.0, round(float(waited) / 1_000_000, 2)) for hour, waited in slowest.items()})


def failures() -> dict[str, Any]:
    """Jobs that have failed, by type, those with the most first."""
    job = frappe.qb.DocType(config.JOB)
    condition = _recent(job) & job.status.isin([status.value for status in RETRYABLE])
    number = Count("*")
    query = frappe.qb.from_(job).select(job.job_type, number).where(condition).groupby(job.job_type)
    rows = query.orderby(number, order=Order.desc).orderby(job.job_type).limit(TYPES).run()
    return {"labels": [row[0] for row in rows], "values": [row[1] for row in rows]}


def whole_axis(values: Sequence[float]) -> list[dict[str, Any]]:
    """`yMarkers` for a chart: one invisible marker, so high that the axis has its ticks at whole numbers.

    Frappe's charts divide an axis of two or less, and one of ten, into quarters.
    """
    highest = max(values, default=0)
    return [{"label": "", "value": 12 if highest == 10 else max(4, highest), "options": {"stroke": "transparent"}}]


def _recent(job: Table) -> Criterion:
    return visibility.viewer().visible(job) & since(job, HOURS)


def _hours_ago(column: Term, now: datetime) -> Term:
    """The hours back by the clock: 0 for the present one."""
    return difference(PseudoColumn("HOUR"), column, _end_of_hour(now))


def _end_of_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) - timedelta(microseconds=1)


def _by_hour(now: datetime, values: dict[int, Any]) -> dict[str, Any]:
    """Values by hour of the site's clock. Labels are the hours' starts on the user's clock, like all times in Desk."""
    if not values:
        return {"labels": [], "values": []}
    hours, zone = range(HOURS - 1, -1, -1), waiting_reason.zone()
    begun = clock.to_epoch(now.replace(minute=0, second=0, microsecond=0))
    return {
        "labels": [f"{datetime.fromtimestamp(begun - hour * 3600, zone):%H:%M}" for hour in hours],
        "values": [values.get(hour, 0) for hour in hours],
        "yMarkers": whole_axis(list(values.values())),
    }
