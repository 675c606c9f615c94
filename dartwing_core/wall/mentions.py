"""Finds rows of other DocTypes that name a document of ours: comments, files, followers, logs and so on.

Also those that name a row about ours: the notice of a task, the tag of a file.

A user who may filter, group or count all of them can read their content letter by letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import frappe
from frappe.utils import get_safe_filters
from pypika.queries import Table
from pypika.terms import Criterion

from dartwing_core.jobs.access import tenancy
from dartwing_core.jobs.access.desk_access import REFERENCES, TENANT_DOCTYPES

from .references import STEPS, is_about_ours, row_about_ours

if TYPE_CHECKING:
    from frappe.model.meta import Meta

AS_TEXT = {"Deleted Document": ["deleted_doctype"], "Access Log": ["export_from"]}
"""Fields that hold the name of a DocType, but are no links."""
ROUTES = {"Route History": "route"}
NOTICE = "Notification Log"
PAIRS = {**REFERENCES, NOTICE: ("document_type", "document_name")}
"""Fields with a DocType and with the name of a document, where the second is no dynamic link in each version."""
MODULE = "Dartwing Core"
"""The module of this app's reports, cards and charts."""


def kind_fields(doctype: Any) -> list[str]:
    """Fields of a DocType that hold the DocType of another document which the row names. [] if there are none."""
    meta = meta_of(doctype)
    if meta is None or doctype in TENANT_DOCTYPES:
        return []
    dynamic = [field.options for field in meta.get("fields", {"fieldtype": "Dynamic Link"})]
    linked = [field.fieldname for field in meta.get("fields", {"fieldtype": "Link", "options": "DocType"})]
    stored = {*meta.get_valid_columns()}
    return [name for name in dict.fromkeys([*dynamic, *linked, *AS_TEXT.get(doctype, ())]) if name in stored]


def name_fields(doctype: Any) -> dict[str, str]:
    """Pairs of fields of a DocType: with the DocType of another document, and with its name."""
    kinds = kind_fields(doctype)
    found = dict([PAIRS[doctype]]) if doctype in PAIRS else {}
    dynamic = frappe.get_meta(doctype).get("fields", {"fieldtype": "Dynamic Link"}) if kinds else ()
    found |= {field.options: field.fieldname for field in dynamic}
    return {kind: name for kind, name in found.items() if kind in kinds}


def naming_ours(doctype: Any, table: Table) -> Criterion | None:
    """The condition for rows of a DocType that name a document of ours by its DocType. None if no row can."""
    conditions = [table[field].isin(TENANT_DOCTYPES) for field in kind_fields(doctype)]
    conditions += [naming_step(table[kind], table[name]) for kind, name in name_fields(doctype).items()]
    if route := ROUTES.get(doctype):
        conditions += [table[route].like(f"%/{tenant_doctype}/%") for tenant_doctype in TENANT_DOCTYPES]
    return Criterion.any(conditions) if conditions else None


def rows_naming_steps(doctype: Any) -> list[str]:
    """The names of the rows of a DocType that name a row about ours."""
    table, pairs = frappe.qb.DocType(doctype), name_fields(doctype).items()
    about = [naming_step(table[kind], table[name]) for kind, name in pairs]
    return frappe.qb.from_(table).select(table.name).where(Criterion.any(about)).run(pluck=True) if about else []


def naming_step(kind: Any, name: Any) -> Criterion:
    """The condition for fields that name a row about ours."""
    return Criterion.any((kind == step) & name.isin(row_about_ours(step, name)) for step in STEPS)


def names_ours(doctype: str, row: Mapping[str, Any]) -> bool:
    """Whether a row of another DocType names a document of ours by its DocType."""
    route = str(row.get(ROUTES.get(doctype, "")) or "")
    is_on_route = any(f"/{tenant_doctype}/" in route for tenant_doctype in TENANT_DOCTYPES)
    if is_on_route or any(row.get(field) in TENANT_DOCTYPES for field in kind_fields(doctype)):
        return True
    return any(is_about_ours(row.get(kind), row.get(name)) for kind, name in name_fields(doctype).items())


def links_to_ours(doctype: Any) -> dict[str, str]:
    """Link fields of another app's DocType that lead to ours, each with the DocType. Empty for our own DocTypes."""
    return {} if doctype in TENANT_DOCTYPES else fields_that_link_to_ours(doctype)


def fields_that_link_to_ours(doctype: Any) -> dict[str, str]:
    """Link fields of any DocType that lead to ours, each with the DocType. Ours link to each other."""
    meta = meta_of(doctype)
    links = meta.get_link_fields() if meta else []
    return {field.fieldname: field.options for field in links if field.options in TENANT_DOCTYPES}


def organization_elsewhere(doctype: Any) -> dict[str, str]:
    """The link of one of our DocTypes to an organization, with the DocType to which it leads. Empty if that is ours.

    The adapter of the site may name another app's DocType (`jobs/operations/organization_links`).
    """
    field = tenancy.LINKS.get(doctype) if isinstance(doctype, str) else None
    if field is None:
        return {}
    kind = frappe.get_meta(doctype).get_field(field).options
    return {} if kind in TENANT_DOCTYPES else {field: kind}


def asks_for_names(doctype: Any, filters: Any) -> bool:
    """Whether filters on a DocType compare names of our documents: by a link, or by a child table that holds some."""
    meta = meta_of(doctype)
    children = {field.options for field in meta.get_table_fields()} if meta else set()
    names = [*links_to_ours(doctype), *(child for child in children if links_to_ours(child) or kind_fields(child))]
    text = frappe.as_json(get_safe_filters(filters)) if names and filters else ""
    return any(name in text for name in names)


def meta_of(doctype: Any) -> Meta | None:
    """The meta of a DocType with a table of its own. None for anything else."""
    if not isinstance(doctype, str):
        return None
    try:
        meta = frappe.get_meta(doctype)
    except Exception:  # there is no such DocType
        frappe.clear_last_message()
        return None
    return None if meta.issingle or meta.get("is_virtual") else meta
