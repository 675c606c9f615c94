"""Frappe's permission hooks for this app's DocTypes, answered by `visibility`: lists and documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import frappe
from frappe import _
from frappe.query_builder.terms import NamedParameterWrapper
from pypika.queries import Table
from pypika.terms import Criterion

from ..lib import config
from . import visibility
from .visibility import Viewer

if TYPE_CHECKING:
    from frappe.model.document import Document

ORGANIZATION, MEMBER = "Organization", "Org Member"
HISTORY = (config.RUN, config.LOG, config.DEPENDENCY)
ENGINE_DOCTYPES = (config.JOB, *HISTORY, config.BATCH, config.CIRCUIT, config.REMOVAL)
"""DocTypes that only the engine writes."""
READING = frozenset({None, "read", "select", "print", "email", "report", "export"})
DECIDING = ("user", "background_job", *visibility.DECIDING_FIELDS)
"""The fields that decide who may see a row. A DocType has some of them."""


def conditions(user: str | None = None, doctype: str = config.JOB) -> str:
    """`permission_query_conditions`: the rows in lists, reports, searches, exports and counts."""
    viewer = visibility.viewer(user)
    return "" if viewer.sees_everything else _as_sql(_visible(doctype, viewer, frappe.qb.DocType(doctype)))


def _visible(doctype: str, viewer: Viewer, table: Table) -> Criterion:
    nothing = table.name.isnull()
    if doctype == config.JOB:
        return viewer.can_see_condition(table)
    if doctype in HISTORY:
        job = frappe.qb.DocType(config.JOB)
        return table.background_job.isin(frappe.qb.from_(job).select(job.name).where(viewer.can_see_condition(job)))
    if doctype in (config.BATCH, config.SCHEDULE):
        return viewer.visible(table)
    if doctype == config.CIRCUIT:
        return viewer.visible(table, administered=True)
    if doctype == ORGANIZATION:
        return table.name.isin(viewer.reach.members) if viewer.reach.members else nothing
    if doctype == MEMBER and viewer.reach.is_enabled:
        own, admins = table.user == viewer.user, viewer.reach.admins
        return own | table.organization.isin(admins) if admins else own
    return nothing


def has_permission(doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission`: of a document as it was sent, and of its row. The sender may have put other owners into it."""
    viewer = visibility.viewer(user)
    if viewer.sees_everything:
        return True
    rows = [doc]
    if isinstance(doc.name, str):
        columns = ["name", *(field for field in DECIDING if doc.meta.has_field(field))]
        rows += frappe.db.get_values(doc.doctype, doc.name, columns, as_dict=True)
    if ptype in READING or doc.doctype in ENGINE_DOCTYPES:
        return all(may_see(doc.doctype, row, viewer) for row in rows)
    # Admins of the organization write, if a role lets them. An own membership would let a member become an admin.
    return all(viewer.administers(row.get("name" if doc.doctype == ORGANIZATION else "organization")) for row in rows)


def may_see(doctype: str, row: Any, viewer: Viewer) -> bool:
    """Whether the user may see this row, or document, of a DocType."""
    if viewer.sees_everything:
        return True
    if doctype in HISTORY:
        doctype, row = config.JOB, visibility.deciding_row(row.get("background_job"))
    if doctype == config.JOB:
        return bool(row) and viewer.can_see_job(row)
    if doctype in (config.BATCH, config.SCHEDULE):
        return viewer.can_see(row.get("owner_user"), row.get("organization"))
    if doctype == ORGANIZATION:
        return row.get("name") in viewer.reach.members
    if doctype == MEMBER and viewer.reach.is_enabled and row.get("user") == viewer.user:
        return True
    return doctype in (MEMBER, config.CIRCUIT) and viewer.administers(row.get("organization"))


def throw_missing(doctype: str, name: Any) -> None:
    """Frappe's own error for a document that does not exist, to the letter."""
    try:
        error = frappe.DoesNotExistError(doctype=doctype)  # Frappe 16 makes it a 403 for users without a role
    except TypeError:
        error = frappe.DoesNotExistError
    frappe.throw(_("{0} {1} not found").format(_(doctype), name), error)


def _as_sql(criterion: Criterion) -> str:
    """The condition as SQL text, in parentheses: Frappe 15 joins the conditions of several apps without any."""
    values = NamedParameterWrapper()
    sql = criterion.get_sql(param_wrapper=values, quote_char="`", with_namespace=True)
    return f"({sql % {name: _literal(value) for name, value in values.get_parameters().items()}})"


def _literal(value: Any) -> str:
    """One value as SQL. A percent sign goes as hex: Frappe 16 formats the condition once more, Frappe 15 does not."""
    if "%" in value:
        return f"_utf8mb4 X'{value.encode().hex()}'"
    return frappe.db.escape(value, percent=False)
