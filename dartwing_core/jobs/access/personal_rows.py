"""Rows of Frappe's that are for one user, and tell of our DocTypes: notices of the bell, saved filters, cards, charts.

Frappe lists notices to whom they are for, but shows each to everybody who names it or filters for it. Saved filters,
cards and charts it shows to everybody. Those of other DocTypes stay as they are. (15, 16)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import frappe
from pypika.queries import QueryBuilder
from pypika.terms import Criterion

from . import visibility
from .desk_access import TENANT_DOCTYPES, as_sql
from .references import ask_others, now_and_before

if TYPE_CHECKING:
    from frappe.model.document import Document

KINDS = {
    "Notification Log": ("document_type", "for_user"),
    "List Filter": ("reference_doctype", "for_user"),
    "Number Card": ("document_type", "owner"),
    "Dashboard Chart": ("document_type", "owner"),
}
"""The fields that say which DocType a row is about, and whose it is; a row without the second is for all."""
PUBLISHED = {"Number Card": ("is_public", "is_standard"), "Dashboard Chart": ("is_public", "is_standard")}
"""Fields one of which is set where the owner has given a row to all. What System Managers make is for all as well."""


def conditions(user: str | None = None, doctype: str = "List Filter") -> str:
    """`permission_query_conditions` of KINDS."""
    viewer = visibility.viewer(user)
    if viewer.sees_everything:
        return ""
    table = frappe.qb.DocType(doctype)
    kind, owner = (table[field] for field in KINDS[doctype])
    parts = [kind.isnull(), kind.notin(TENANT_DOCTYPES), owner.isnull(), owner.isin(["", viewer.user])]
    if doctype in PUBLISHED:
        parts += [table[field] == 1 for field in PUBLISHED[doctype]]
        parts.append(owner.isin(_managers()))
    return as_sql(Criterion.any(parts))


def _managers() -> QueryBuilder:
    role = frappe.qb.DocType("Has Role")
    has_it = (role.parenttype == "User") & (role.role == "System Manager")
    return frappe.qb.from_(role).select(role.parent).where(has_it)


def has_permission(doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of KINDS: no for those of others about our DocTypes; else the other hooks decide."""
    viewer = visibility.viewer(user)
    published = PUBLISHED.get(doc.doctype, ())
    if not viewer.sees_everything:
        for kind, owner, *is_given in now_and_before(doc, (*KINDS[doc.doctype], *published)):
            if kind not in TENANT_DOCTYPES or owner in (None, "", viewer.user) or any(is_given):
                continue
            if not published or not visibility.sees_everything(owner):
                return False
    return ask_others(doc, ptype, user, debug)
