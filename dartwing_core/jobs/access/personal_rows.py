"""Rows of Frappe's that are for one user, and tell of our DocTypes: notices of the bell, filters saved for a list.

Frappe lists notices to whom they are for, but shows each to everybody who names it or filters for it; saved filters it
shows to everybody. Those of other DocTypes stay as they are. (15, 16)
"""

from __future__ import annotations

import frappe

from . import visibility
from .desk_access import TENANT_DOCTYPES, as_sql
from .references import ask_others, now_and_before

KINDS = {"Notification Log": "document_type", "List Filter": "reference_doctype"}
"""The field that says which DocType a row is about. `for_user` says whose it is; a filter without one is for all."""


def conditions(user: str | None = None, doctype: str = "List Filter") -> str:
    """`permission_query_conditions` of KINDS."""
    viewer = visibility.viewer(user)
    if viewer.sees_everything:
        return ""
    table = frappe.qb.DocType(doctype)
    kind = table[KINDS[doctype]]
    is_theirs = kind.isnull() | kind.notin(TENANT_DOCTYPES)
    return as_sql(is_theirs | table.for_user.isnull() | table.for_user.isin(["", viewer.user]))


def has_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of KINDS: no for those of others about our DocTypes; else the other hooks decide."""
    viewer = visibility.viewer(user)
    if not viewer.sees_everything:
        for owner, kind in now_and_before(doc, ("for_user", KINDS[doc.doctype])):
            if kind in TENANT_DOCTYPES and owner not in (None, "", viewer.user):
                return False
    return ask_others(doc, ptype, user, debug)
