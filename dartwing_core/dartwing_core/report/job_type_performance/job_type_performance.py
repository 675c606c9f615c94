from __future__ import annotations

from typing import Any

from frappe import _

from dartwing_core.jobs import reports


def execute(filters: Any = None) -> tuple[list[dict], list[dict], None, dict]:
    """How the jobs of each type fare, of those that the user may see."""
    filters = filters or {}
    rows = reports.type_performance(filters.get("organization"), filters.get("hours") or 24)
    return columns(), rows, None, chart(rows)


def columns() -> list[dict[str, Any]]:
    numbers = (
        ("jobs", _("Jobs")),
        ("live", _("Not Ended")),
        ("completed", _("Completed")),
        ("failed", _("Failed")),
        ("canceled", _("Canceled")),
        ("retries", _("Retries")),
    )
    return [
        {"fieldname": "job_type", "label": _("Job Type"), "fieldtype": "Link", "options": "Job Type", "width": 200},
        *({"fieldname": name, "label": label, "fieldtype": "Int", "width": 110} for name, label in numbers),
        {"fieldname": "failure_rate", "label": _("Failure Rate"), "fieldtype": "Percent", "width": 120},
        {"fieldname": "average_seconds", "label": _("Average (Seconds)"), "fieldtype": "Float", "width": 150},
        {"fieldname": "p95_seconds", "label": _("95th Percentile (Seconds)"), "fieldtype": "Float", "width": 200},
    ]


def chart(rows: list[dict]) -> dict[str, Any]:
    """Completed and failed jobs of the busiest types."""
    shown = rows[:10]
    datasets = [(_("Completed"), "completed"), (_("Failed"), "failed")]
    return {
        "data": {
            "labels": [row["job_type"] for row in shown],
            "datasets": [{"name": label, "values": [int(row[name]) for row in shown]} for label, name in datasets],
        },
        "type": "bar",
        "colors": ["#29CD42", "#E24C4C"],
        "barOptions": {"stacked": 1},
    }
