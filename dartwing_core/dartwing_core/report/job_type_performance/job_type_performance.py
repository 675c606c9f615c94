"""The report Job Type Performance."""

from __future__ import annotations

from typing import Any

from frappe import _

from dartwing_core.dartwing_core.report import refuse_other_readers
from dartwing_core.jobs.read import figures


def execute(filters: Any = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Counts, failure rates and times of jobs that the user may see, by type."""
    refuse_other_readers()
    filters = filters or {}
    return columns(), figures.type_performance(filters.get("organization"), filters.get("hours") or 24)


def columns() -> list[dict[str, Any]]:
    """The report's columns."""
    counts = {"jobs": _("Jobs"), "live": _("Not Ended"), "completed": _("Completed"), "failed": _("Failed")}
    counts |= {"canceled": _("Canceled"), "retries": _("Retries")}
    # Without a precision, Frappe shows three decimals. In many countries, those look like thousands.
    seconds = {"fieldtype": "Float", "precision": 2}
    return [
        {"fieldname": "job_type", "label": _("Job Type"), "fieldtype": "Link", "options": "Job Type", "width": 200},
        *({"fieldname": name, "label": label, "fieldtype": "Int", "width": 110} for name, label in counts.items()),
        {"fieldname": "failure_rate", "label": _("Failure Rate"), "fieldtype": "Percent", "precision": 1, "width": 120},
        {"fieldname": "average_seconds", "label": _("Average (Seconds)"), **seconds, "width": 150},
        {"fieldname": "p95_seconds", "label": _("95th Percentile (Seconds)"), **seconds, "width": 200},
    ]
