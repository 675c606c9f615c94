"""Frappe's own whitelisted functions that read or write documents without asking for permission.

`override_whitelisted_methods` in hooks.py puts these in their place. Each names the hole that it closes and the
versions that have it; of what is not ours, and for who sees everything, it answers what the original answers.

The originals are named by their modules: Frappe serves every attribute of a module that is a whitelisted function.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import frappe
from frappe import _, client, email
from frappe.core.doctype.user_permission import user_permission
from frappe.desk import calendar, like, listview, notifications, query_report, reportview, search
from frappe.desk.doctype.dashboard_chart import dashboard_chart
from frappe.desk.doctype.notification_log import notification_log
from frappe.desk.doctype.tag import tag
from frappe.desk.form import document_follow, utils
from frappe.utils import file_manager, get_safe_filters, goal
from frappe.utils.data import make_filter_tuple
from frappe.workflow.doctype.workflow import workflow
from frappe.www import printview
from pypika.functions import Count
from pypika.terms import Criterion

from dartwing_core.api import rate_limits
from dartwing_core.jobs.access import report_access, visibility
from dartwing_core.jobs.access.desk_access import ENGINE_DOCTYPES, TENANT_DOCTYPES, throw_missing
from dartwing_core.jobs.access.references import REFERENCES, is_visible, visible_of
from dartwing_core.jobs.errors import InvalidJobError

from . import links, query_rules, sent_names
from .doctypes import tenant_doctype
from .frappe_version import IS_15
from .mentions import asks_for_names, fields_that_link_to_ours, kind_fields, links_to_ours, meta_of, naming_ours

MOST_NAMES = 500
AGGREGATIONS = ("sum", "count", "avg", "min", "max")

REPLACED: set[Callable[..., Any]] = set()
"""Frappe's functions that have a substitute here."""
IN_BACKGROUND = "export_in_background"
"""Frappe 16 keeps what it exports so for all who may read the report, in a file of which everybody guesses the name."""


def _instead_of(original: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Whitelist a function for the original's verbs, with the original's arguments, which it gets by name."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)
        REPLACED.add(original)

        @functools.wraps(original)
        def call(*arguments: Any, **named: Any) -> Any:
            try:
                given = dict(signature.bind(*arguments, **named).arguments)
            except TypeError:
                return original(*arguments, **named)  # which says what is missing
            for parameter in signature.parameters.values():
                if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    given.update(given.pop(parameter.name, {}))
            return function(given)

        return frappe.whitelist(methods=frappe.allowed_http_methods_for_whitelisted_func[original])(call)

    return decorate


# One document --------------------------------------------------------------------------------------------------------


@_instead_of(client.get)
def get(given: dict[str, Any]) -> Any:
    """By a filter, the first one that one may see: Frappe takes the first of all, and so tells what it holds.

    Of another DocType, the first that does not hang on what one may not see, and none for who may read none: Frappe
    looks before it asks, and 404 or 403 tells the tokens of others letter by letter. 15, 16.
    """
    doctype = given.get("doctype")
    filters = None if given.get("name") else _parsed(given, "filters")
    if filters and _is_ours(doctype):
        names = frappe.get_list(doctype, filters=filters, pluck="name", limit=1)
        if not names:
            throw_missing(doctype, _("document"))
        given |= {"name": names[0], "filters": None}
    elif filters is not None and (meta := meta_of(doctype)) and not _sees_everything():
        if not meta.istable:  # the permission for which is that of what it is a part of
            frappe.has_permission(doctype, "read", throw=True)
        found = frappe.db.get_value(doctype, filters) if kind_fields(doctype) and not meta.issingle else None
        may_see = found and not meta.istable and frappe.has_permission(doctype, "read", doc=found)
        if found and _names_ours(doctype, found) and not may_see:
            found = _first_not_naming_ours(doctype, filters)
            given |= {"name": found or throw_missing(doctype, str(filters)), "filters": None}  # as Frappe says it
    return client.get(**given)


def _names_ours(doctype: str, name: str) -> bool:
    table = frappe.qb.DocType(doctype)
    query = frappe.qb.from_(table).select(table.name).where((table.name == name) & naming_ours(doctype, table))
    return bool(query.run())


def _first_not_naming_ours(doctype: str, filters: Any) -> str | None:
    table = frappe.qb.DocType(doctype)
    others = Criterion.all(table[kind].isnull() | table[kind].notin(TENANT_DOCTYPES) for kind in kind_fields(doctype))
    query = frappe.qb.get_query(doctype, filters=get_safe_filters(filters), fields=[table.name])
    found = query.where(others).limit(1).run()
    return found[0][0] if found else None


if IS_15:

    @_instead_of(client.validate_link)
    def validate_link(given: dict[str, Any]) -> Any:
        """A link to what one may not see leads nowhere: Frappe asks for the permission of the DocType alone. 15."""
        if _is_hidden(given["doctype"], given["docname"]):
            given["docname"] = ""
        return client.validate_link(**given)


@_instead_of(search.get_link_title)
def get_link_title(given: dict[str, Any]) -> Any:
    """The title of what one may see: Frappe tells any. 15, 16."""
    hidden = _is_hidden(given["doctype"], given["docname"])
    return given["docname"] if hidden else search.get_link_title(**given)


@_instead_of(user_permission.get_user_permissions)
def get_user_permissions(given: dict[str, Any]) -> Any:
    """Those of others without documents of ours: Frappe tells everybody which ones a user is bound to. 15, 16."""
    found = user_permission.get_user_permissions(**given)
    if given.get("user") in (None, "", frappe.session.user) or _sees_everything():
        return found
    return {doctype: rows for doctype, rows in found.items() if not _is_ours(doctype)}


@_instead_of(utils.get_next)
def get_next(given: dict[str, Any]) -> Any:
    """The next one after what one may see: Frappe compares any field of any document with those of the user's.

    15, 16.
    """
    sent_names.refuse("value", given["value"])
    _check(given["doctype"], given["value"])
    return utils.get_next(**given)


@_instead_of(document_follow.follow_document)
def follow_document(given: dict[str, Any]) -> Any:
    """For oneself: Frappe does not ask whether another user may see what they are told of. 15, 16."""
    doctype = given["doctype"]
    if _is_ours(doctype) and given["user"] != frappe.session.user and not _sees_everything():
        raise frappe.PermissionError
    _check(doctype, given["doc_name"])
    return document_follow.follow_document(**given)


@_instead_of(like.toggle_like)
def toggle_like(given: dict[str, Any]) -> Any:
    """Frappe writes a like into any row. Nobody writes one into that of a job. 15, 16."""
    _check_mark(given["doctype"], given["name"])
    return like.toggle_like(**given)


@_instead_of(notification_log.mark_as_read)
def mark_as_read(given: dict[str, Any]) -> Any:
    """Frappe marks anybody's notice as read. One about ours is marked by whom it is for. 15, 16."""
    filters = {"name": str(given["docname"]), "document_type": ["in", TENANT_DOCTYPES]}
    of_whom = frappe.db.get_value("Notification Log", filters, "for_user")
    if of_whom in (None, frappe.session.user):
        notification_log.mark_as_read(**given)


@_instead_of(tag.add_tag)
def add_tag(given: dict[str, Any]) -> Any:
    """The same for a tag. 15, 16."""
    _check_mark(given["dt"], given["dn"])
    return tag.add_tag(**given)


@_instead_of(tag.remove_tag)
def remove_tag(given: dict[str, Any]) -> Any:
    """The same for taking a tag away. 15, 16."""
    _check_mark(given["dt"], given["dn"])
    return tag.remove_tag(**given)


@_instead_of(tag.add_tags)
def add_tags(given: dict[str, Any]) -> Any:
    """The same for several. 15, 16."""
    if _is_ours(given["dt"]):
        _check_mark(given["dt"], *_list(given, "docs"))
    return tag.add_tags(**given)


@_instead_of(email.relink)
def relink(given: dict[str, Any]) -> Any:
    """Frappe moves any communication to any document. One that hangs on what may not be seen is not there. 15, 16."""
    communication = _text(given, "name")
    kind, name = frappe.db.get_value("Communication", communication, REFERENCES["Communication"]) or (None, None)
    if name and _is_ours(kind) and not is_visible(kind, name):
        return None
    _check(given.get("reference_doctype"), given.get("reference_name"))
    return email.relink(**given)


@_instead_of(printview.get_html_and_style)
def get_html_and_style(given: dict[str, Any]) -> Any:
    """Frappe prints a document that is only sent, with the titles of whatever it links to. 15, 16."""
    sent = None if isinstance(given.get("name"), str) else _parsed(given, "doc")
    if isinstance(sent, dict) and sent.get("doctype"):
        links.check(frappe.get_doc(sent), lambda: _stored(sent))
    return printview.get_html_and_style(**given)


def _stored(sent: dict[str, Any]) -> Any:
    doctype, name = sent["doctype"], sent.get("name")
    is_there = isinstance(name, str) and frappe.db.exists(doctype, name)
    return frappe.get_doc(doctype, name) if is_there and frappe.has_permission(doctype, "read", doc=name) else None


@_instead_of(file_manager.add_attachments)
def add_attachments(given: dict[str, Any]) -> Any:
    """Frappe copies any File that is named, whoever asks. 15, 16."""
    names = [] if _sees_everything() else _parsed(given, "attachments")
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    for name in names and frappe.get_all("File", filters=_on_ours(names), pluck="name"):
        if not frappe.get_list("File", filters={"name": name}, limit=1):
            throw_missing("File", name)
    return file_manager.add_attachments(**given)


def _on_ours(names: list[str]) -> dict[str, Any]:
    return {"name": ["in", names], "attached_to_doctype": ["in", TENANT_DOCTYPES]}


# Many documents ------------------------------------------------------------------------------------------------------


@_instead_of(client.get_count)
def get_count(given: dict[str, Any]) -> Any:
    """Counts what one may read, as Frappe 16 does: 15 counts with any filter what nobody may read. 15.

    Of every DocType: others hold tokens of users and texts that name no job (mails, logs of exports); and of nothing
    that is none, such as sessions and passwords.
    """
    filters = get_safe_filters(given.get("filters"))
    if not IS_15 or _sees_everything():
        return client.get_count(**given)
    if isinstance(filters, list) and all(isinstance(one, str) for one in filters):
        filters = {"name": ["in", filters]} if filters else {}  # as `client.get_count` takes it, and not as SQL
    frappe.form_dict.clear()
    frappe.form_dict.update(doctype=given["doctype"], filters=filters)
    return reportview.get_count()


@_instead_of(workflow.get_workflow_state_count)
def get_workflow_state_count(given: dict[str, Any]) -> Any:
    """Frappe groups all rows by any column. Ours, which have no workflows, and those that name ours are left out.

    15, 16.
    """
    doctype, field = given["doctype"], given["workflow_state_field"]
    if _sees_everything():
        return workflow.get_workflow_state_count(**given)
    if _is_ours(doctype):
        raise frappe.PermissionError(_("There are no workflows of {0}.").format(_(doctype)))
    counted = workflow.get_workflow_state_count(**given)
    if counted and (linked := links_to_ours(doctype).get(field)):
        visible = visible_of(linked, [row[field] for row in counted])
        counted = [row for row in counted if row[field] in visible]
    table = frappe.qb.DocType(doctype)
    if counted and (ours := naming_ours(doctype, table)):
        query = frappe.qb.from_(table).select(table[field], Count("*")).where(ours).groupby(table[field])
        named = dict(query.run())
        for row in counted:
            row["count"] -= named.get(row[field], 0)
        counted = [row for row in counted if row["count"]]
    return counted


@_instead_of(notifications.get_open_count)
def get_open_count(given: dict[str, Any]) -> Any:
    """Frappe counts all rows that link to a document: those of our DocTypes are left out. 15, 16."""
    found = notifications.get_open_count(**given)
    counts = found.get("count")
    if isinstance(counts, dict) and not _sees_everything():
        links = counts["external_links_found"]
        counts["external_links_found"] = [link for link in links if not _is_ours(link["doctype"])]
    return found


@_instead_of(goal.get_monthly_goal_graph_data)
def get_monthly_goal_graph_data(given: dict[str, Any]) -> Any:
    """Frappe puts its arguments into SQL as they are, and sums up all rows: here those that one may read. 15."""
    if not IS_15 or _sees_everything():
        return goal.get_monthly_goal_graph_data(**given)
    doctype = given.get("goal_doctype")
    is_plain = str(given.get("aggregation", "sum")).lower() in AGGREGATIONS and _are_names(
        given.get(name) for name in ("goal_doctype_link", "goal_field", "date_field")
    )
    if not is_plain or _is_ours(doctype) or asks_for_names(doctype, given.get("filters")):
        raise frappe.PermissionError(_("This is not allowed."))
    frappe.has_permission(doctype, "read", throw=True)
    if among := _permitted(doctype):
        filters = _dict(given, "filters")
        if "name" in filters:
            raise frappe.PermissionError(_("This is not allowed."))
        given["filters"] = {**filters, "name": among}
    return goal.get_monthly_goal_graph_data(**given)


def _permitted(doctype: str) -> list[Any] | None:
    """The filter for the names of the rows that one may read and that name none of ours; None if that is all."""
    if reportview.build_match_conditions(doctype):
        hidden = {*_rows_naming_ours(doctype)}
        return ["in", [name for name in frappe.get_list(doctype, pluck="name", limit=0) if name not in hidden] or [""]]
    names = _rows_naming_ours(doctype)
    return ["not in", names] if names else None


@_instead_of(tag.get_tagged_docs)
def get_tagged_docs(given: dict[str, Any]) -> Any:
    """Tagged documents that one may see: Frappe lists all. 15, 16."""
    if not _is_ours(given["doctype"]) or _sees_everything():
        return tag.get_tagged_docs(**given)
    return frappe.get_list(given["doctype"], filters={"_user_tags": ["like", _text(given, "tag")]}, as_list=True)


@_instead_of(listview.get_group_by_count)
def get_group_by_count(given: dict[str, Any]) -> Any:
    """Frappe counts the assignments of all rows; jobs have none, so there is nothing to group by them. 15.

    And it tells the titles of what the rows link to, whoever may read it. 16.
    """
    doctype, field = given["doctype"], given["field"]
    if field == "assigned_to" and _is_ours(doctype) and not _sees_everything():
        return []
    counted = listview.get_group_by_count(**given)
    if (linked := fields_that_link_to_ours(doctype).get(field)) and not _sees_everything():
        visible = visible_of(linked, [row.name for row in counted])
        for row in counted:
            if row.get("title") and row.name not in visible:
                row.title = None
    return counted


@_instead_of(search.search_link)
def search_link(given: dict[str, Any]) -> Any:
    """Frappe takes `ignore_user_permissions` for all permissions. 15."""
    return search.search_link(**_without_bypass(given))


@_instead_of(search.search_widget)
def search_widget(given: dict[str, Any]) -> Any:
    """The same for the search box. 15."""
    return search.search_widget(**_without_bypass(given))


def _without_bypass(given: dict[str, Any]) -> dict[str, Any]:
    doctype = given.get("doctype")
    if not IS_15 or not given.get("ignore_user_permissions") or given.get("query") or _sees_everything():
        return given
    if _is_ours(doctype) or asks_for_names(doctype, given.get("filters")):
        return given | {"ignore_user_permissions": False}
    if kinds := kind_fields(doctype):
        filters = _parsed(given, "filters") or []
        if isinstance(filters, dict):  # as Frappe does next
            filters = [make_filter_tuple(doctype, key, value) for key, value in filters.items()]
        # Rows that name ours are found without the bypass.
        return given | {"filters": [*filters, *([doctype, kind, "not in", TENANT_DOCTYPES] for kind in kinds)]}
    return given


# Charts and reports --------------------------------------------------------------------------------------------------


@_instead_of(dashboard_chart.get)
def get_chart(given: dict[str, Any]) -> Any:
    """A chart of our DocTypes is made anew for each user: Frappe keeps what one has seen for whoever names the chart.

    And not as heat map, which Frappe makes of all rows (15, 16). That of another DocType leaves out what names ours,
    and has no SQL of the caller's (15).
    """
    if given.get("chart_name"):
        chart = frappe.get_doc("Dashboard Chart", given["chart_name"])
        given["chart_name"] = chart.name
    else:
        chart = _dict(given, "chart")
    is_heat_map = chart.get("type") == "Heatmap" and chart.get("chart_type") != "Group By"
    if not _is_ours(chart.get("document_type")):
        if not (is_heat_map and IS_15) or _sees_everything():
            return dashboard_chart.get(**given)
        return inspect.unwrap(dashboard_chart.get)(**given | {"filters": _heat_map_filters(chart, given)})
    if is_heat_map and not _sees_everything():
        frappe.throw(_("Heat maps are not available for {0}.").format(_(chart.get("document_type"))))
    return inspect.unwrap(dashboard_chart.get)(**given)


def _heat_map_filters(chart: Any, given: dict[str, Any]) -> list[Any]:
    doctype = chart.get("document_type")
    filters = _parsed(given, "filters") or frappe.parse_json(chart.get("filters_json")) or []
    is_plain = _are_names([chart.get("based_on"), chart.get("value_based_on")])
    if not is_plain or not isinstance(filters, list) or asks_for_names(doctype, filters):
        raise frappe.PermissionError(_("This is not allowed."))
    names = _rows_naming_ours(doctype)
    return [*filters, *([[doctype, "name", "not in", names]] if names else [])]


def _rows_naming_ours(doctype: Any) -> list[str]:
    ours = naming_ours(doctype, table := frappe.qb.DocType(doctype))
    return frappe.qb.from_(table).select(table.name).where(ours).run(pluck=True) if ours else []


@_instead_of(calendar.get_events)
def get_calendar_events(given: dict[str, Any]) -> Any:
    """Frappe puts the fields that it is told into its filters as SQL. 15, 16."""
    fields = [field for field in _dict(given, "field_map").values() if isinstance(field, str) and field]
    if not _sees_everything():
        wrong = None if _are_names(fields) else _("A field is called by its name.")
        if wrong := wrong or query_rules.offence(given["doctype"], [], fields):
            raise frappe.PermissionError(wrong)
    return calendar.get_events(**given)


@_instead_of(query_report.run)
def run_report(given: dict[str, Any]) -> Any:
    """Anew and for oneself: Frappe keeps what a report holds, and hands it out for whoever is named. 15, 16."""
    if _is_on_jobs(given["report_name"]):
        given |= {"user": None, "ignore_prepared_report": True}
    return query_report.run(**given)


@_instead_of(query_report.export_query)
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


@_instead_of(reportview.export_query)
def export_list(given: dict[str, Any]) -> Any:
    """A list as a file, and at once. 16."""
    if frappe.form_dict.get("doctype") in TENANT_DOCTYPES:
        frappe.form_dict.pop(IN_BACKGROUND, None)
    return reportview.export_query(**given)


# What is ours --------------------------------------------------------------------------------------------------------


def _is_ours(doctype: Any) -> bool:
    return tenant_doctype(doctype) is not None


def _sees_everything() -> bool:
    return visibility.sees_everything(frappe.session.user)


def _is_hidden(doctype: Any, name: Any) -> bool:
    """Whether this is a document of ours that the user would not find in its list."""
    is_asked = doctype in TENANT_DOCTYPES and isinstance(name, str)
    return _is_ours(doctype) and not (is_asked and frappe.get_list(doctype, filters={"name": name}, limit=1))


def _check(doctype: Any, name: Any) -> None:
    if name and _is_hidden(doctype, name):
        throw_missing(doctype, name)


def _check_mark(doctype: Any, *names: Any) -> None:
    if isinstance(doctype, str) and doctype in ENGINE_DOCTYPES:
        frappe.throw(_("Background jobs can't be tagged or liked."), frappe.PermissionError)
    if len(names) > MOST_NAMES:
        raise InvalidJobError(_("At most {0} names at once.").format(MOST_NAMES))
    for name in names:
        _check(doctype, name)


def _are_names(fields: Iterable[Any]) -> bool:
    """Whether these are plain names of fields, or not given."""
    return all(str(field or "x").isidentifier() for field in fields)


# Arguments that would end in an error of Python's --------------------------------------------------------------------


def _parsed(given: dict[str, Any], name: str) -> Any:
    try:
        return frappe.parse_json(given.get(name))
    except (ValueError, RecursionError):
        raise frappe.ValidationError(_("{0} is not valid JSON.").format(name)) from None


def _list(given: dict[str, Any], name: str) -> list[str]:
    values = _parsed(given, name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise frappe.ValidationError(_("{0} must be a list.").format(name))
    return values


def _dict(given: dict[str, Any], name: str) -> dict[str, Any]:
    value = _parsed(given, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise frappe.ValidationError(_("{0} must be an object.").format(name))
    return value


def _text(given: dict[str, Any], name: str) -> str:
    if not isinstance(given.get(name), str):
        raise frappe.ValidationError(_("{0} must be text.").format(name))
    return given[name]
