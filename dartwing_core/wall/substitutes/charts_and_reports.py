"""Functions of Frappe's that make charts, calendars, reports and exports."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import frappe
from frappe import _
from frappe.desk import calendar, query_report, reportview
from frappe.desk.doctype.dashboard_chart import dashboard_chart
from frappe.desk.doctype.event import event
from frappe.desk.doctype.number_card import number_card
from pypika.terms import Criterion

from dartwing_core.api import rate_limits
from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import visible_names

from .. import personal_rows, query_rules, report_access
from ..frappe_version import IS_15
from ..mentions import asks_for_names, fields_that_link_to_ours, naming_ours
from .base import are_names, dict_of, instead_of, is_ours, parsed, rows_naming_ours, sees_everything

IN_BACKGROUND = "export_in_background"
"""Argument of Frappe 16 for an export in the background, whose file `exports` does not see."""


@instead_of(dashboard_chart.get)
def get_chart(given: dict[str, Any]) -> Any:
    """A chart of our DocTypes is computed anew for each user: Frappe caches what one user has seen for all others.

    Heat maps of our DocTypes are refused: Frappe 15 computes them from all rows, and 16.9 has none. A heat map of
    another DocType leaves out rows that name ours, and holds no SQL of the caller's. 15. A chart grouped by a link to
    ours shows no hidden titles. 16.
    """
    if given.get("chart_name"):
        chart = frappe.get_doc("Dashboard Chart", given["chart_name"])
        given["chart_name"] = chart.name
        personal_rows.check(chart)
    else:
        chart = dict_of(given, "chart")
    is_heat_map = chart.get("type") == "Heatmap" and chart.get("chart_type") != "Group By"
    if (linked := _linked_by(chart)) and not sees_everything():
        return _with_visible_labels(linked, inspect.unwrap(dashboard_chart.get)(**given))
    if not is_ours(chart.get("document_type")):
        if not (is_heat_map and IS_15) or sees_everything():
            return dashboard_chart.get(**given)
        return inspect.unwrap(dashboard_chart.get)(**given | {"filters": _heat_map_filters(chart, given)})
    if is_heat_map and not sees_everything():
        frappe.throw(_("Heat maps are not available for {0}.").format(_(chart.get("document_type"))))
    return inspect.unwrap(dashboard_chart.get)(**given)


def _linked_by(chart: Any) -> str | None:
    """The DocType of ours to which the chart's group-by field links, or None."""
    is_grouped = chart.get("chart_type") == "Group By"
    links = fields_that_link_to_ours(chart.get("document_type")) if is_grouped else {}
    return links.get(str(chart.get("group_by_based_on")))


def _with_visible_labels(linked: str, found: Any) -> Any:
    if not found:
        return found
    table, title = frappe.qb.DocType(linked), frappe.get_meta(linked).get_title_field()
    query = visible_names(linked, visibility.viewer()).where(table[title].isin(found["labels"]))
    known = {text for row in query.select(table[title]).run() for text in row}
    labels = [label if label is None or label in known else _("Not Specified") for label in found["labels"]]
    return {**found, "labels": labels}


@instead_of(number_card.get_percentage_difference)
def get_percentage_difference(given: dict[str, Any]) -> Any:
    """For cards on our DocTypes that the user may read: Frappe uses the filters of any card. 15, 16."""
    name = dict_of(given, "doc").get("name")
    if isinstance(name, str):
        personal_rows.check(frappe.get_doc("Number Card", name))
    return number_card.get_percentage_difference(**given)


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
    """Events by plain fields: Frappe writes the requested fields into its filters as SQL. 15, 16."""
    fields = [field for field in dict_of(given, "field_map").values() if isinstance(field, str) and field]
    if not sees_everything():
        wrong = None if are_names(fields) else _("A field must be given by its name.")
        if wrong := wrong or query_rules.offence(given["doctype"], [], fields):
            raise frappe.PermissionError(wrong)
    return calendar.get_events(**given)


@instead_of(event.get_events)
def get_events(given: dict[str, Any]) -> Any:
    """Filtered only by fields of events: Frappe joins the participants of all events, and so tells whether any matches.

    Leaves out other users' private events about our documents: Frappe shows the events of any user named. 15, 16.
    """
    filters = parsed(given, "filters") if not sees_everything() else None
    listed = filters if isinstance(filters, list) else []
    if any(isinstance(one, list) and len(one) > 3 and one[0] != "Event" for one in listed):
        raise frappe.PermissionError(_("Events can be filtered only by their own fields."))
    found = event.get_events(**given)
    if given.get("user") in (None, "", frappe.session.user) or sees_everything():
        return found
    hidden = _hidden_events(found)
    return [one for one in found if one["name"] not in hidden]


def _hidden_events(found: list[dict[str, Any]]) -> set[str]:
    """The names of those of these events that are about our documents, and not for the current user.

    Issues one statement if there are events of others, and another if one of them is about ours.
    """
    others = [one["name"] for one in found if one["event_type"] != "Public" and one["owner"] != frappe.session.user]
    about_ours = _about_ours(others) if others else []
    readable = frappe.get_list("Event", {"name": ("in", about_ours)}, pluck="name", limit=0) if about_ours else []
    return {*about_ours} - {*readable}


def _about_ours(events: Iterable[str]) -> list[str]:
    """The names of those of these events that name a document of ours, themselves or by a row such as a participant."""
    table = frappe.qb.DocType("Event")
    conditions = [naming_ours("Event", table)]
    for field in frappe.get_meta("Event").get_table_fields():
        child = frappe.qb.DocType(field.options)
        if (ours := naming_ours(field.options, child)) is not None:
            rows = frappe.qb.from_(child).select(child.parent).where(ours & (child.parenttype == "Event"))
            conditions.append(table.name.isin(rows.where(child.parent.isin(events))))
    about = Criterion.any(condition for condition in conditions if condition is not None)
    return frappe.qb.from_(table).select(table.name).where(table.name.isin(events) & about).run(pluck=True)


@instead_of(query_report.run)
def run_report(given: dict[str, Any]) -> Any:
    """Computed anew, for the caller: Frappe caches a report's rows, and returns those of any user named.

    Frappe also tells whether that user may read what a filter names. 15, 16.
    """
    is_on_jobs = _is_on_jobs(given["report_name"])
    if is_on_jobs:
        given["ignore_prepared_report"] = True
    if is_on_jobs or not sees_everything():
        given["user"] = None
    return query_report.run(**given)


@instead_of(query_report.export_query)
def export_query(given: dict[str, Any]) -> Any:
    """The report as a file: computed anew, for the caller, and at once, without formulas. 15, 16."""
    name = frappe.form_dict.get("report_name")
    if _is_on_jobs(name):
        report_access.prepare_no_more(name)
        frappe.form_dict.pop(IN_BACKGROUND, None)
    return query_report.export_query(**given)


def _is_on_jobs(report: Any) -> bool:
    """Whether a report is one of ours. If so, count the request against the limit of reports."""
    if not isinstance(report, str):
        raise frappe.ValidationError(_("{0} must be text.").format("report_name"))
    is_ours = report_access.is_on_jobs(report)
    if is_ours:
        rate_limits.count_view()
    return is_ours


@instead_of(reportview.export_query)
def export_list(given: dict[str, Any]) -> Any:
    """A list of ours as a file, at once, without formulas. 16."""
    if is_ours(frappe.form_dict.get("doctype")):
        frappe.form_dict.pop(IN_BACKGROUND, None)
    return reportview.export_query(**given)
