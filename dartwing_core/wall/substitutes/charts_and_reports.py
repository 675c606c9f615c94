"""Functions of Frappe's that make charts, calendars, reports and exports."""

from __future__ import annotations

import inspect
from typing import Any

import frappe
from frappe import _
from frappe.desk import calendar, query_report, reportview
from frappe.desk.doctype.dashboard_chart import dashboard_chart

from dartwing_core.api import rate_limits
from dartwing_core.jobs.access import report_access
from dartwing_core.jobs.access.desk_access import TENANT_DOCTYPES

from .. import query_rules
from ..frappe_version import IS_15
from ..mentions import asks_for_names
from .base import are_names, dict_of, instead_of, is_ours, parsed, rows_naming_ours, sees_everything

IN_BACKGROUND = "export_in_background"
"""Frappe 16 keeps what it exports so for all who may read the report, in a file of which everybody guesses the name."""


@instead_of(dashboard_chart.get)
def get_chart(given: dict[str, Any]) -> Any:
    """A chart of our DocTypes is made anew for each user: Frappe keeps what one has seen for whoever names the chart.

    And not as heat map, which Frappe makes of all rows (15, 16). That of another DocType leaves out what names ours,
    and has no SQL of the caller's (15).
    """
    if given.get("chart_name"):
        chart = frappe.get_doc("Dashboard Chart", given["chart_name"])
        given["chart_name"] = chart.name
    else:
        chart = dict_of(given, "chart")
    is_heat_map = chart.get("type") == "Heatmap" and chart.get("chart_type") != "Group By"
    if not is_ours(chart.get("document_type")):
        if not (is_heat_map and IS_15) or sees_everything():
            return dashboard_chart.get(**given)
        return inspect.unwrap(dashboard_chart.get)(**given | {"filters": _heat_map_filters(chart, given)})
    if is_heat_map and not sees_everything():
        frappe.throw(_("Heat maps are not available for {0}.").format(_(chart.get("document_type"))))
    return inspect.unwrap(dashboard_chart.get)(**given)


def _heat_map_filters(chart: Any, given: dict[str, Any]) -> list[Any]:
    doctype = chart.get("document_type")
    filters = parsed(given, "filters") or frappe.parse_json(chart.get("filters_json")) or []
    is_plain = are_names([chart.get("based_on"), chart.get("value_based_on")])
    if not is_plain or not isinstance(filters, list) or asks_for_names(doctype, filters):
        raise frappe.PermissionError(_("This is not allowed."))
    names = rows_naming_ours(doctype)
    return [*filters, *([[doctype, "name", "not in", names]] if names else [])]


@instead_of(calendar.get_events)
def get_calendar_events(given: dict[str, Any]) -> Any:
    """Frappe puts the fields that it is told into its filters as SQL. 15, 16."""
    fields = [field for field in dict_of(given, "field_map").values() if isinstance(field, str) and field]
    if not sees_everything():
        wrong = None if are_names(fields) else _("A field is called by its name.")
        if wrong := wrong or query_rules.offence(given["doctype"], [], fields):
            raise frappe.PermissionError(wrong)
    return calendar.get_events(**given)


@instead_of(query_report.run)
def run_report(given: dict[str, Any]) -> Any:
    """Anew and for oneself: Frappe keeps what a report holds, and hands it out for whoever is named. 15, 16."""
    if _is_on_jobs(given["report_name"]):
        given |= {"user": None, "ignore_prepared_report": True}
    return query_report.run(**given)


@instead_of(query_report.export_query)
def export_query(given: dict[str, Any]) -> Any:
    """The same as a file, and at once. 15, 16."""
    name = frappe.form_dict.get("report_name")
    if _is_on_jobs(name):
        report_access.prepare_no_more(name)
        frappe.form_dict.pop(IN_BACKGROUND, None)
    return query_report.export_query(**given)


def _is_on_jobs(report: Any) -> bool:
    """Whether a report is one of ours, which count against a limit."""
    if not isinstance(report, str):
        raise frappe.ValidationError(_("{0} must be text.").format("report_name"))
    is_ours = report_access.is_on_jobs(report)
    if is_ours:
        rate_limits.take_view()
    return is_ours


@instead_of(reportview.export_query)
def export_list(given: dict[str, Any]) -> Any:
    """A list as a file, and at once. 16."""
    if frappe.form_dict.get("doctype") in TENANT_DOCTYPES:
        frappe.form_dict.pop(IN_BACKGROUND, None)
    return reportview.export_query(**given)
