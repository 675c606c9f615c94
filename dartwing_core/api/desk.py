"""Figures for Desk's list of jobs, and for the number cards and charts of the workspace, which name these functions.

Figures are only of jobs that the current user may see, and are not cached for the next user.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import frappe
from frappe import _

from dartwing_core import jobs as engine
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.lib.texts import cut
from dartwing_core.jobs.read import figures, jobs

from . import rate_limits

FAILED = ["Failed", "Timed Out", "Dead Letter"]
CHARTS: dict[str, tuple[Callable[[], dict[str, Any]], Callable[[], str]]] = {
    "Completed Background Jobs by Hour": (figures.throughput, lambda: _("Completed")),
    "Failed Background Jobs by Type": (figures.failures, lambda: _("Failed")),
    "Waiting Time of Background Jobs": (figures.waiting_time, lambda: _("Seconds")),
}


@frappe.whitelist()
def running_jobs(**_filters: Any) -> dict[str, Any]:
    """Number card: running jobs."""
    return _card("running", status="Running")


@frappe.whitelist()
def waiting_jobs(**_filters: Any) -> dict[str, Any]:
    """Number card: jobs that wait for their turn, their time or another job."""
    return _card("waiting", status=["in", ["Pending", "Queued"]])


@frappe.whitelist()
def failed_jobs(**_filters: Any) -> dict[str, Any]:
    """Number card: jobs that have failed within 24 hours."""
    counts = _counts()
    day_ago = datetime.fromisoformat(counts["day_ago"])
    since = f"{day_ago:%Y-%m-%d %H:%M:%S}"  # Desk's filters take no offset
    options = {"status": ["in", FAILED], "modified": [">=", since]}
    return _answer(counts["failed_in_24_hours"], options)


@frappe.whitelist()
def dead_letters(**_filters: Any) -> dict[str, Any]:
    """Number card: jobs that have failed for good."""
    return _card("dead_letter", status="Dead Letter")


@frappe.whitelist()
def get_chart(chart_name: str = "", **_more: Any) -> dict[str, Any]:
    """The data of one of the workspace's charts. Empty without jobs, so that Desk says that there are no data."""
    if chart_name not in CHARTS:
        raise frappe.ValidationError(_("There is no chart {0}.").format(cut(chart_name)))
    rate_limits.count_view()
    figures, label = CHARTS[chart_name]
    found = figures()
    values = found.pop("values")
    return {**found, "datasets": [{"name": label(), "values": values}]} if values else {}


@frappe.whitelist(methods=["POST"])
def live_progress(job_ids: Any = None) -> dict[str, Any]:
    """List: the progress of running jobs. Their rows hold it only when they have ended."""
    rate_limits.count_view()
    return jobs.get_live_progress(frappe.parse_json(job_ids) or [])


def _card(name: str, **route_options: Any) -> dict[str, Any]:
    return _answer(_counts()[name], route_options)


def _counts() -> dict[str, Any]:
    rate_limits.count_view()
    return engine.get_job_counts()


def _answer(value: int, route_options: dict[str, Any]) -> dict[str, Any]:
    return {"value": value, "fieldtype": "Int", "route": ["List", config.JOB], "route_options": route_options}
