"""Figures for Desk's list of jobs, and for the charts of the workspace, whose source names the function. And what forms
begin with.

Figures are only of jobs that the current user may see, and are not cached for the next user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import frappe
from frappe import _

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.read import figures, jobs

CHARTS: dict[str, tuple[Callable[[], tuple[list[str], list[float]]], Callable[[], str]]] = {
    "Completed Background Jobs by Hour": (figures.throughput, lambda: _("Completed")),
    "Failed Background Jobs by Type": (figures.failures, lambda: _("Failed")),
    "Waiting Time of Background Jobs": (figures.waiting_time, lambda: _("Seconds")),
}


@frappe.whitelist()
def get_chart(chart_name: str, **_more: Any) -> dict[str, Any]:
    """The data of one of the workspace's charts. Empty without jobs, so that Desk says that there are no data."""
    found, label = CHARTS[chart_name]
    labels, values = found()
    return {"labels": labels, "datasets": [{"name": label(), "values": values}]} if values else {}


@frappe.whitelist(methods=["POST"])
def live_progress(job_ids: Any = None) -> dict[str, Any]:
    """List: the progress of running jobs. Their rows hold it only when they have ended."""
    return jobs.get_live_progress(frappe.parse_json(job_ids) or [])


@frappe.whitelist(methods=["POST"])
def usual_organization() -> str:
    """Forms: the organization that the user means who names none. Empty if it is not clear."""
    return visibility.viewer().usual_organization or ""
