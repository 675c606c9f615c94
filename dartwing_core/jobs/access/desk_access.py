"""Frappe's permission hooks for this app's DocTypes, answered by `visibility`: lists and documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import frappe
from frappe import _
from frappe.query_builder.terms import NamedParameterWrapper
from pypika.queries import Table
from pypika.terms import Criterion, EmptyCriterion

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
DECIDING = {
    config.JOB: visibility.DECIDING_FIELDS,
    **dict.fromkeys(HISTORY, ("background_job",)),
    **dict.fromkeys((config.BATCH, config.SCHEDULE), ("owner_user", "organization")),
    config.CIRCUIT: ("organization",),
    **dict.fromkeys((config.REMOVAL, ORGANIZATION), ("name",)),
    MEMBER: ("user", "organization"),
}
"""The columns that decide who may see a row, of each DocType whose rows are not everybody's."""


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
        return viewer.administered(table)
    if doctype == ORGANIZATION:
        return table.name.isin(viewer.reach.members) if viewer.reach.members else nothing
    if doctype == MEMBER and viewer.is_enabled:
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
        rows += frappe.db.get_values(doc.doctype, doc.name, DECIDING[doc.doctype], as_dict=True)
    is_write = ptype not in READING and doc.doctype not in ENGINE_DOCTYPES
    may = _may_write if is_write else may_see
    return all(may(doc.doctype, row, viewer) for row in rows)


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
    if doctype == MEMBER and viewer.is_enabled and row.get("user") == viewer.user:
        return True
    return doctype in (MEMBER, config.CIRCUIT) and viewer.administers(row.get("organization"))


def _may_write(doctype: str, row: Any, viewer: Viewer) -> bool:
    """Admins of the organization, if a role lets them. An own membership would let a member become an admin."""
    return viewer.administers(row.get("name" if doctype == ORGANIZATION else "organization"))


def throw_missing(doctype: str, name: Any) -> None:
    """Frappe's own error for a document that does not exist, to the letter."""
    try:
        error = frappe.DoesNotExistError(doctype=doctype)  # Frappe 16 makes it a 403 for users without a role
    except TypeError:
        error = frappe.DoesNotExistError
    frappe.throw(_("{0} {1} not found").format(_(doctype), name), error)


def _as_sql(criterion: Criterion) -> str:
    """The condition as SQL text, in parentheses: Frappe 15 joins the conditions of several apps without any."""
    if isinstance(criterion, EmptyCriterion):
        return ""
    values = NamedParameterWrapper()
    sql = criterion.get_sql(param_wrapper=values, quote_char="`", with_namespace=True)
    return f"({sql % {name: _literal(value) for name, value in values.get_parameters().items()}})"


def _literal(value: Any) -> str:
    """One value as SQL. A percent sign goes as hex: Frappe 16 formats the condition once more, Frappe 15 does not."""
    if "%" in value:
        return f"_utf8mb4 X'{value.encode().hex()}'"
    return frappe.db.escape(value, percent=False)
