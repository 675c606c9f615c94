"""Refuses SQL in queries that documents of Frappe's store: Frappe 15 runs these later, perhaps as another user.

The scheduler sends reports as the user whom they name, and a chart that an Administrator has opened is kept for others.
So a stored query is checked when a user who does not see everything saves it. `column_rules` has the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import frappe
from frappe import _

from dartwing_core.jobs.access import visibility

from . import column_rules, report_access
from .doctypes import tenant_doctype
from .frappe_version import IS_15
from .request_texts import parsed, values_in

FIELDS = {
    "Dashboard Chart": ("based_on", "value_based_on", "group_by_based_on", "aggregate_function_based_on"),
    "Number Card": ("aggregate_function_based_on",),
    "Kanban Board": ("field_name",),
}
FILTERS = {
    "Dashboard Chart": "filters_json",
    "Number Card": "filters_json",
    "Kanban Board": "filters",
    "Auto Email Report": "filters",
}
ORDERS = ("order_by", "sort_by", "sort_by_next", "sort_order", "sort_order_next")


def check_mailing(doc: Any, _method: str | None = None) -> None:
    """`validate` of Auto Email Report, for users who do not see everything: no filter may name a DocType of ours.

    Applies to all reports but Report Builder's. Some of Frappe's script reports list the DocType that a filter names,
    and the scheduler runs them as Administrator. (15, 16)
    """
    is_script = frappe.db.get_value("Report", doc.report, "report_type") != report_access.BY_QUERY
    if not is_script or visibility.viewer().sees_everything:
        return
    if any(map(tenant_doctype, values_in(doc.filters))):
        raise frappe.PermissionError(_("A mailed report must not have a filter for jobs or organizations."))


def check(doc: Any, _method: str | None = None) -> None:
    """`validate` of these DocTypes and of Report. Raises frappe.PermissionError for SQL in place of a field."""
    if not IS_15 or visibility.viewer().sees_everything:
        return
    if doc.doctype == "Report":
        fields, filters = _of_report(parsed(doc.json))
    else:
        fields = [doc.get(field) for field in FIELDS.get(doc.doctype, ())]
        filters = parsed(doc.get(FILTERS[doc.doctype]))
    found = column_rules.sql_within([field for field in fields if field], [], "left join", by_frappe=True)
    if not found and isinstance(filters, Mapping | list):
        found = column_rules.sql_in_filters(filters, None, by_frappe=True)
    if found:
        raise frappe.PermissionError(found)


def _of_report(stored: Any) -> tuple[list[str], Any]:
    if not isinstance(stored, Mapping):
        return [], []
    fields = [field for key in ("fields", "columns") for field in _columns(stored.get(key))]
    grouped = stored.get("group_by")
    fields += [str(field) for field in grouped.values()] if isinstance(grouped, Mapping) else _columns(grouped)
    fields += [part.strip() for key in ORDERS for part in str(stored.get(key) or "").split(",")]
    return fields, stored.get("filters")


def _columns(stored: Any) -> list[str]:
    """Fields, [field, DocType], or objects, as Frappe writes them."""
    return list(map(_column, stored)) if isinstance(stored, list) else []


def _column(stored: Any) -> str:
    if isinstance(stored, Mapping):  # of a Custom Report
        return str(stored.get("fieldname"))
    return f"`tab{stored[1]}`.`{stored[0]}`" if isinstance(stored, list) and len(stored) > 1 else str(stored)
