"""Frappe's own whitelisted functions that read or write documents without asking for permission.

Frappe 15 counts, tags, likes and follows any document for any user, finds links past the permissions when told to,
and keeps a chart that one user has seen for the next. `override_whitelisted_methods` in hooks.py puts these in
their place: for our DocTypes they ask first, for all others they do what they did.

The originals are named by their modules: Frappe serves every attribute of a module that is a whitelisted function.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import frappe
from frappe import _, client, email
from frappe.desk import like, listview, notifications, query_report, reportview, search
from frappe.desk.doctype.dashboard_chart import dashboard_chart
from frappe.desk.doctype.tag import tag
from frappe.desk.form import document_follow, utils
from frappe.utils import file_manager, get_safe_filters, goal
from frappe.workflow.doctype.workflow import workflow

from dartwing_core.jobs import access, report_access
from dartwing_core.jobs.desk_access import ENGINE_DOCTYPES, TENANT_DOCTYPES, throw_missing
from dartwing_core.jobs.references import REFERENCES, is_visible

# What hangs on documents names them: who counts with a filter on that reads it letter by letter.
COUNTED = frozenset(
    {
        *TENANT_DOCTYPES,
        *REFERENCES,
        *("Deleted Document", "Access Log", "Notification Log", "Error Log", "Route History", "RQ Job", "RQ Worker"),
    }
)


REPLACED: set[Callable[..., Any]] = set()
"""Frappe's functions that have a substitute here."""
IN_BACKGROUND = "export_in_background"
"""Frappe 16 keeps what it exports so for all who may read the report, in a file of which everybody guesses the name."""
AGGREGATIONS = ("sum", "count", "avg", "min", "max")
GUARDED = frozenset({*TENANT_DOCTYPES, "File"})
"""Of which one learns nothing that one may not list."""


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
                raise frappe.ValidationError(_("An argument is missing or unknown.")) from None
            if any(name in given and not isinstance(given[name], str | None) for name in ("doctype", "dt")):
                raise frappe.ValidationError(_("{0} must be text.").format("doctype"))
            for parameter in signature.parameters.values():
                if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    given.update(given.pop(parameter.name, {}))
            return function(given)

        return frappe.whitelist(methods=frappe.allowed_http_methods_for_whitelisted_func[original])(call)

    return decorate


@_instead_of(client.get_count)
def get_count(given: dict[str, Any]) -> Any:
    """Count only what the user may read."""
    if not _names_ours(given.get("doctype")):
        return client.get_count(**given)
    frappe.form_dict.clear()
    frappe.form_dict.update(doctype=given["doctype"], filters=get_safe_filters(given.get("filters")))
    return reportview.get_count()


if hasattr(client, "validate_link"):  # Frappe 15

    @_instead_of(client.validate_link)
    def validate_link(given: dict[str, Any]) -> Any:
        """A link to what one may not see leads nowhere."""
        return (
            client.validate_link(**given) if _is_listed(given["doctype"], given["docname"]) else frappe._dict(name=None)
        )


@_instead_of(search.get_link_title)
def get_link_title(given: dict[str, Any]) -> Any:
    """The title of what one may see."""
    return search.get_link_title(**given) if _is_listed(given["doctype"], given["docname"]) else given["docname"]


@_instead_of(utils.get_next)
def get_next(given: dict[str, Any]) -> Any:
    """The next one after what one may see: Frappe compares any field of any document with those of the user's."""
    return _checked(utils.get_next, given, "doctype", "value")


@_instead_of(document_follow.follow_document)
def follow_document(given: dict[str, Any]) -> Any:
    """The same for another user, whom Frappe does not ask."""
    if given["doctype"] in TENANT_DOCTYPES and given["user"] != frappe.session.user:
        raise frappe.PermissionError
    return _checked(document_follow.follow_document, given, "doctype", "doc_name")


@_instead_of(like.toggle_like)
def toggle_like(given: dict[str, Any]) -> Any:
    """Nobody writes a like into the row of a job; an organization is liked by who may see it."""
    return _not_on_jobs(like.toggle_like, given, "doctype", given["name"])


@_instead_of(tag.add_tag)
def add_tag(given: dict[str, Any]) -> Any:
    """The same for a tag."""
    return _not_on_jobs(tag.add_tag, given, "dt", given["dn"])


@_instead_of(tag.remove_tag)
def remove_tag(given: dict[str, Any]) -> Any:
    """The same for taking a tag away."""
    return _not_on_jobs(tag.remove_tag, given, "dt", given["dn"])


@_instead_of(tag.add_tags)
def add_tags(given: dict[str, Any]) -> Any:
    """The same for several."""
    return _not_on_jobs(tag.add_tags, given, "dt", *_list(given, "docs"))


@_instead_of(tag.get_tagged_docs)
def get_tagged_docs(given: dict[str, Any]) -> Any:
    """Tagged documents that one may see."""
    if given["doctype"] not in TENANT_DOCTYPES:
        return tag.get_tagged_docs(**given)
    return frappe.get_list(given["doctype"], filters={"_user_tags": ["like", _text(given, "tag")]}, as_list=True)


@_instead_of(listview.get_group_by_count)
def get_group_by_count(given: dict[str, Any]) -> Any:
    """Jobs have no assignments, so there is nothing to group by them."""
    if given["doctype"] in TENANT_DOCTYPES and given["field"] == "assigned_to":
        return []
    return listview.get_group_by_count(**given)


@_instead_of(search.search_link)
def search_link(given: dict[str, Any]) -> Any:
    """Frappe takes `ignore_user_permissions` for all permissions."""
    return search.search_link(**_without_bypass(given))


@_instead_of(search.search_widget)
def search_widget(given: dict[str, Any]) -> Any:
    """The same for the search box."""
    return search.search_widget(**_without_bypass(given))


@_instead_of(dashboard_chart.get)
def get_chart(given: dict[str, Any]) -> Any:
    """A chart of our DocTypes is made anew for each user, and not as heat map, which Frappe makes of all rows."""
    name = given.get("chart_name")
    chart = frappe.get_doc("Dashboard Chart", _text(given, "chart_name")) if name else _dict(given, "chart")
    if not chart or chart.get("document_type") not in TENANT_DOCTYPES:
        return dashboard_chart.get(**given)
    if chart.get("type") == "Heatmap" and chart.get("chart_type") != "Group By":
        frappe.throw(_("Heat maps are not available for {0}.").format(_(chart.get("document_type"))))
    return inspect.unwrap(dashboard_chart.get)(**given)


@_instead_of(query_report.run)
def run_report(given: dict[str, Any]) -> Any:
    """Anew and for oneself: Frappe keeps what a report holds, and hands it out for whoever is named."""
    name = _text(given, "report_name")
    if report_access.is_on_jobs(name):
        given |= {"user": None, "ignore_prepared_report": True}
    return query_report.run(**given)


@_instead_of(query_report.export_query)
def export_query(given: dict[str, Any]) -> Any:
    """The same as a file, and at once."""
    name = _text(frappe.form_dict, "report_name")
    if report_access.is_on_jobs(name):
        report_access.prepare_no_more(name)
        frappe.form_dict.pop(IN_BACKGROUND, None)
    return query_report.export_query(**given)


@_instead_of(reportview.export_query)
def export_list(given: dict[str, Any]) -> Any:
    """A list as a file, and at once."""
    if frappe.form_dict.get("doctype") in TENANT_DOCTYPES:
        frappe.form_dict.pop(IN_BACKGROUND, None)
    return reportview.export_query(**given)


@_instead_of(workflow.get_workflow_state_count)
def get_workflow_state_count(given: dict[str, Any]) -> Any:
    """Frappe groups all rows by any column. Our DocTypes have no workflows."""
    if _names_ours(given.get("doctype")):
        raise frappe.PermissionError(_("There are no workflows of {0}.").format(_(given["doctype"])))
    return workflow.get_workflow_state_count(**given)


@_instead_of(notifications.get_open_count)
def get_open_count(given: dict[str, Any]) -> Any:
    """Frappe counts all rows that link to a document: those of our DocTypes are left out."""
    found = notifications.get_open_count(**given)
    counts = found.get("count") if not access.viewer().sees_everything else None
    for kind in ("external_links_found", "internal_links_found"):
        if isinstance(counts, dict) and kind in counts:
            counts[kind] = [link for link in counts[kind] if link.get("doctype") not in COUNTED]
    return found


@_instead_of(goal.get_monthly_goal_graph_data)
def get_monthly_goal_graph_data(given: dict[str, Any]) -> Any:
    """Frappe 15 puts its arguments into SQL as they are, and sums up all rows."""
    is_plain = str(given.get("aggregation", "sum")).lower() in AGGREGATIONS and all(
        str(given.get(name) or "x").isidentifier() for name in ("goal_doctype_link", "goal_field", "date_field")
    )
    if not is_plain or _names_ours(given.get("goal_doctype")):
        raise frappe.PermissionError(_("This is not allowed."))
    return goal.get_monthly_goal_graph_data(**given)


@_instead_of(file_manager.add_attachments)
def add_attachments(given: dict[str, Any]) -> Any:
    """Frappe copies any File that is named, whoever asks."""
    for name in _list(given, "attachments"):
        if not _is_listed("File", name):
            throw_missing("File", name)
    return file_manager.add_attachments(**given)


@_instead_of(email.relink)
def relink(given: dict[str, Any]) -> Any:
    """Frappe moves any communication: one that hangs on what one may not see is as one that is not there."""
    fields = REFERENCES["Communication"]
    doctype, name = frappe.db.get_value("Communication", _text(given, "name"), fields) or (None, None)
    is_hidden = doctype in TENANT_DOCTYPES and name and not is_visible(doctype, name)
    return None if is_hidden else email.relink(**given)


@_instead_of(client.get)
def get(given: dict[str, Any]) -> Any:
    """By a filter, the first one that one may see: Frappe takes the first of all, and so tells what it holds."""
    filters = _parsed(given, "filters")
    if given.get("doctype") in TENANT_DOCTYPES and filters and not given.get("name"):
        names = frappe.get_list(given["doctype"], filters=filters, pluck="name", limit=1)
        if not names:
            throw_missing(given["doctype"], _("document"))
        given |= {"name": names[0], "filters": None}
    return client.get(**given)


def _names_ours(doctype: Any) -> bool:
    """Whether rows of a DocType may hold names of ours."""
    if not isinstance(doctype, str) or doctype in COUNTED or not frappe.db.exists("DocType", doctype):
        return True
    fields = frappe.get_meta(doctype).fields
    links = {field.options for field in fields if field.fieldtype == "Link"}
    return bool(links & {*TENANT_DOCTYPES}) or any(field.fieldtype == "Dynamic Link" for field in fields)


def _is_listed(doctype: str, name: Any) -> bool:
    if doctype not in GUARDED:
        return True
    return isinstance(name, str) and bool(frappe.get_list(doctype, filters={"name": name}, limit=1))


def _checked(original: Callable[..., Any], given: dict[str, Any], doctype_key: str, name_key: str) -> Any:
    if not _is_listed(given[doctype_key], given[name_key]):
        throw_missing(given[doctype_key], given[name_key])
    return original(**given)


def _not_on_jobs(original: Callable[..., Any], given: dict[str, Any], doctype_key: str, *names: Any) -> Any:
    doctype = given[doctype_key]
    if doctype in ENGINE_DOCTYPES:
        frappe.throw(_("Background jobs can't be tagged or liked."), frappe.PermissionError)
    for name in names:
        if not _is_listed(doctype, name):
            throw_missing(doctype, name)
    return original(**given)


def _without_bypass(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("doctype") in GUARDED:
        given.pop("ignore_user_permissions", None)
    return given


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
