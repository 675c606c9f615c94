"""The report Failed Jobs by Error."""

from __future__ import annotations

from typing import Any

from frappe import _

from dartwing_core.dartwing_core.report import refuse_other_readers
from dartwing_core.jobs.operations import dead_letters


def execute(filters: Any = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Dead letters that the user may see, by type and kind of error."""
    refuse_other_readers()
    filters = filters or {}
    return columns(), dead_letters.dead_letters_by_error(filters.get("organization"), filters.get("job_type"))


def columns() -> list[dict[str, Any]]:
    """The report's columns."""
    link = {"fieldtype": "Link", "options": "Background Job"}
    return [
        {"fieldname": "job_type", "label": _("Job Type"), "fieldtype": "Link", "options": "Job Type", "width": 180},
        {"fieldname": "error", "label": _("Error"), "fieldtype": "Data", "width": 480},
        {"fieldname": "jobs", "label": _("Jobs"), "fieldtype": "Int", "width": 80},
        {"fieldname": "organizations", "label": _("Organizations"), "fieldtype": "Int", "width": 120},
        {"fieldname": "first", "label": _("First"), "fieldtype": "Datetime", "width": 210},
        {"fieldname": "last", "label": _("Last"), "fieldtype": "Datetime", "width": 210},
        {"fieldname": "sample", "label": _("Latest Job"), "width": 220, **link},
    ]
