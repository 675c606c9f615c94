"""Functions of Frappe's that list, count and search documents."""

from __future__ import annotations

import json
from typing import Any

import frappe
from frappe import _, client
from frappe.contacts.doctype.contact import contact
from frappe.desk import listview, notifications, reportview, search
from frappe.desk.doctype.tag import tag
from frappe.utils import get_safe_filters, global_search, goal
from frappe.utils.data import make_filter_tuple
from frappe.workflow.doctype.workflow import workflow
from pypika.enums import Order
from pypika.functions import Coalesce, Count
from pypika.terms import PseudoColumn

from dartwing_core.jobs.access import tenancy
from dartwing_core.jobs.access.desk_access import TENANT_DOCTYPES

from .. import personal_rows
from ..doctypes import PERSONAL, guarded_doctype
from ..frappe_version import IS_15
from ..mentions import (
    asks_for_names,
    fields_that_link_to_ours,
    kind_fields,
    links_to_ours,
    naming_ours,
    rows_naming_steps,
)
from ..references import STEPS, hidden_of, visible_of
from ..request_texts import listed
from .base import are_names, dict_of, instead_of, is_hidden, is_ours, parsed, rows_naming_ours, sees_everything, text_of

COLUMN, SETTINGS = "Kanban Board Column", "Dashboard Settings"
AGGREGATIONS = ("sum", "count", "avg", "min", "max")


@instead_of(client.get_count)
def get_count(given: dict[str, Any]) -> Any:
    """Counts documents that the user may read, as Frappe 16 does. Frappe 15 counts all rows, by any filter. 15.

    Applies to every DocType: others hold tokens of users, and texts that name no job (mails, logs of exports). Refuses
    tables that are no DocType, such as sessions and passwords.
    """
    filters = get_safe_filters(given.get("filters"))
    if not IS_15 or sees_everything():
        return client.get_count(**given)
    frappe.form_dict.clear()
    frappe.form_dict.update(doctype=given["doctype"], filters=_by_names(filters))
    return reportview.get_count()


def _by_names(filters: Any) -> Any:
    """A list of names as filters, which a list of Frappe 15 would take for SQL. Other filters unchanged."""
    if isinstance(filters, list) and all(isinstance(one, str) for one in filters):
        return {"name": ["in", filters]} if filters else {}
    return filters


@instead_of(workflow.get_workflow_state_count)
def get_workflow_state_count(given: dict[str, Any]) -> Any:
    """Counts without our rows and rows that name ours: Frappe groups all rows by any column. Ours have no workflows.

    15, 16.
    """
    doctype, field = given["doctype"], given["workflow_state_field"]
    if sees_everything():
        return workflow.get_workflow_state_count(**given)
    if is_ours(doctype):
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


@instead_of(notifications.get_open_count)
def get_open_count(given: dict[str, Any]) -> Any:
    """Counts without rows of our DocTypes: Frappe counts all rows that link to a document. 15, 16."""
    found = notifications.get_open_count(**given)
    counts = found.get("count")
    if isinstance(counts, dict) and not sees_everything():
        links = counts["external_links_found"]
        counts["external_links_found"] = [link for link in links if not is_ours(link["doctype"])]
    return found


@instead_of(goal.get_monthly_goal_graph_data)
def get_monthly_goal_graph_data(given: dict[str, Any]) -> Any:
    """Sums up rows that the user may read: Frappe sums up all rows, and writes arguments into SQL unchanged. 15."""
    if not IS_15 or sees_everything():
        return goal.get_monthly_goal_graph_data(**given)
    doctype = given["goal_doctype"]
    is_plain = str(given.get("aggregation", "sum")).lower() in AGGREGATIONS and are_names(
        given.get(name) for name in ("goal_doctype_link", "goal_field", "date_field")
    )
    if not is_plain or is_ours(doctype) or asks_for_names(doctype, given.get("filters")):
        raise frappe.PermissionError(_("This is not allowed."))
    frappe.has_permission(doctype, "read", throw=True)
    if among := _permitted(doctype):
        filters = dict_of(given, "filters")
        if "name" in filters:
            raise frappe.PermissionError(_("This is not allowed."))
        given["filters"] = {**filters, "name": among}
    return goal.get_monthly_goal_graph_data(**given)


def _permitted(doctype: str) -> list[Any] | None:
    """The filter for rows that the user may read and that name none of ours. None if all rows are such."""
    if reportview.build_match_conditions(doctype):
        hidden = {*rows_naming_ours(doctype)}
        return ["in", [name for name in frappe.get_list(doctype, pluck="name", limit=0) if name not in hidden] or [""]]
    names = rows_naming_ours(doctype)
    return ["not in", names] if names else None


@instead_of(tag.get_tagged_docs)
def get_tagged_docs(given: dict[str, Any]) -> Any:
    """Tagged documents that the user may see: Frappe lists all. 15, 16."""
    if not is_ours(given["doctype"]) or sees_everything():
        return tag.get_tagged_docs(**given)
    return frappe.get_list(given["doctype"], filters={"_user_tags": ["like", text_of(given, "tag")]}, as_list=True)


@instead_of(listview.get_group_by_count)
def get_group_by_count(given: dict[str, Any]) -> Any:
    """Groups our rows by no assignments, since jobs have none: Frappe counts the assignments of all rows. 15.

    Counts only tasks of documents that the user may read (15), and none about ours: Frappe finds tasks by the name of
    the document alone, which may be that of an organization. 15, 16. Removes titles of hidden documents: Frappe adds
    the titles of all linked documents. 16.
    """
    doctype, field = given["doctype"], given["field"]
    if field == "assigned_to" and not sees_everything():
        return [] if is_ours(doctype) else _count_assigned(doctype, parsed(given, "current_filters"))
    counted = listview.get_group_by_count(**given)
    if (linked := fields_that_link_to_ours(doctype).get(field)) and not sees_everything():
        visible = visible_of(linked, [row.name for row in counted])
        for row in counted:
            if row.get("title") and row.name not in visible:
                row.title = None
    return counted


def _count_assigned(doctype: str, filters: Any) -> list[dict[str, Any]]:
    """How many tasks about the found documents each system user has, the most first."""
    task, user, count = frappe.qb.DocType("ToDo"), frappe.qb.DocType("User"), Count("*").as_("count")
    query = frappe.qb.from_(task).join(user).on(user.name == task.allocated_to)
    query = query.select(task.allocated_to.as_("name"), count)
    query = query.where((task.status != "Cancelled") & (user.user_type == "System User"))
    query = query.where(task.reference_name.isin(_readable_names(doctype, filters)))
    query = query.where(Coalesce(task.reference_type, "").notin(TENANT_DOCTYPES))
    found: list[dict[str, Any]] = (
        query.groupby(task.allocated_to).orderby(count, order=Order.desc).limit(50).run(as_dict=True)
    )
    return found


def _readable_names(doctype: str, filters: Any) -> Any:
    """A query for the names of the documents that the filters find, and that the user may read."""
    if not IS_15:
        return frappe.qb.get_query(doctype, filters=filters, fields=["name"], ignore_permissions=False)
    named = _by_names(filters)
    query = frappe.get_list(doctype, filters=named, fields=["name"], limit_page_length=0, run=False)
    return PseudoColumn(f"({query.replace('%', '%%')})") if isinstance(query, str) else [""]  # of a virtual DocType


@instead_of(search.search_link)
def search_link(given: dict[str, Any]) -> Any:
    """Searches ours with permissions: for Frappe, `ignore_user_permissions` means to ignore all permissions. 15.

    Keeps User Permissions in a search for organizations of the adapter's. Our links ignore those for lists alone.
    """
    return search.search_link(**_without_bypass(given))


@instead_of(search.search_widget)
def search_widget(given: dict[str, Any]) -> Any:
    """Searches ours with permissions, in the search box too. 15."""
    return search.search_widget(**_without_bypass(given))


def _without_bypass(given: dict[str, Any]) -> dict[str, Any]:
    doctype = given.get("doctype")
    if given.get("ignore_user_permissions") and _is_for_our_link(given) and not sees_everything():
        given = given | {"ignore_user_permissions": False}
    if not IS_15 or not given.get("ignore_user_permissions") or given.get("query") or sees_everything():
        return given
    if is_ours(doctype) or asks_for_names(doctype, given.get("filters")):
        return given | {"ignore_user_permissions": False}
    kinds, personal = kind_fields(doctype), _without_personal_rows(doctype)
    if kinds or personal:
        filters = parsed(given, "filters") or []
        if isinstance(filters, dict):  # as Frappe does next
            filters = [make_filter_tuple(doctype, key, value) for key, value in filters.items()]
        # Rows that name ours are found without the bypass.
        filters += [[doctype, kind, "not in", TENANT_DOCTYPES] for kind in kinds]
        if about := rows_naming_steps(doctype):
            filters.append([doctype, "name", "not in", about])
        return given | {"filters": [*filters, *personal]}
    return given


def _is_for_our_link(given: dict[str, Any]) -> bool:
    """Whether a search is for the organization of one of our DocTypes, in any spelling."""
    linking = given.get("reference_doctype")
    return isinstance(linking, str) and frappe.db.get_value("DocType", linking) in tenancy.LINKS


def _without_personal_rows(doctype: Any) -> list[list[Any]]:
    """Filters that leave out rows about ours whose DocType no field tells: of a report, a private board, a chart."""
    if doctype in PERSONAL:
        return [[doctype, "name", "not in", hidden]] if (hidden := personal_rows.hidden_names(doctype)) else []
    if doctype == COLUMN:
        hidden = personal_rows.hidden_names(personal_rows.BOARD)
        return [[doctype, "parent", "not in", hidden]] if hidden else []
    return [[doctype, "name", "=", frappe.session.user]] if doctype == SETTINGS else []


@instead_of(contact.address_query)
def address_query(given: dict[str, Any]) -> Any:
    """Names of addresses of one document each: for a number, Frappe lists those of all documents. 15, 16."""
    links = listed(given.get("links"))
    if links and not sees_everything():
        given["links"] = json.dumps([link for link in links if not _leads_to_hidden(link)])
    return contact.address_query(**given)


def _leads_to_hidden(link: Any) -> bool:
    kind, name = (link.get(key) if isinstance(link, dict) else None for key in ("link_doctype", "link_name"))
    if not isinstance(kind, str | None):
        raise frappe.ValidationError(_("{0} must be text.").format("link_doctype"))
    if guarded_doctype(kind) and not isinstance(name, str | None):
        raise frappe.ValidationError(_("{0} must be text.").format("link_name"))
    return bool(name) and is_hidden(kind, name)


@instead_of(global_search.search)
def search_all(given: dict[str, Any]) -> Any:
    """Leaves out rows about hidden documents: Frappe's index asks only for the DocType. 15, 16."""
    found = global_search.search(**given)
    hidden = set() if sees_everything() else _hidden_of({(row["doctype"], row["name"]) for row in found})
    return [row for row in found if (row["doctype"], row["name"]) not in hidden]


def _hidden_of(documents: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these documents that the user would not find, with one statement for each DocType."""
    names_by_doctype: dict[str, list[str]] = {}
    for doctype, name in documents:
        names_by_doctype.setdefault(doctype, []).append(name)
    hidden = set()
    for doctype, names in names_by_doctype.items():
        if doctype in STEPS:  # the index keeps rows that are gone
            there = frappe.get_all(doctype, filters={"name": ["in", names]}, pluck="name")
            found = set(there) - hidden_of(doctype, names)
        elif is_ours(doctype):
            found = set(frappe.get_list(doctype, filters={"name": ["in", names]}, pluck="name", limit_page_length=0))
        else:
            continue
        hidden |= {(doctype, name) for name in names if name not in found}
    return hidden
