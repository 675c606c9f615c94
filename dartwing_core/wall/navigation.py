"""Keeps navigation in Desk: pages, sidebars and icons are changed by whom they are for, or by workspace managers.

Frappe lets all of Desk write them, and looks at new values alone. So anybody put a page into the Desk of somebody else,
with texts and blocks whose scripts ran there, and took public pages from everybody. (15; sidebars and icons: 16)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import frappe
from frappe import _

from dartwing_core.jobs.access import visibility

from .mentions import MODULE
from .references import check_other_apps

if TYPE_CHECKING:
    from frappe.model.document import Document

APP, PAGE = "dartwing_core", "Workspace"


def keep_navigation(doc: Document, method: str | None = None, *_names: str) -> None:
    """`validate`, `on_trash` and `before_rename` of Workspace, Workspace Sidebar and Desktop Icon."""
    before = doc.get_doc_before_save() if method == "validate" else doc
    if not _may_change(doc, before, frappe.session.user):
        frappe.throw(_("Only workspace managers may change this."), frappe.PermissionError)


def has_permission(doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of the same. In developer mode, their controllers delete files of apps before the hook above.

    It also decides about rows of their child tables that are written by themselves, which never come to that hook.
    """
    may_change = ptype not in ("write", "delete") or _may_change(doc, doc, user or frappe.session.user)
    return may_change and check_other_apps(doc, ptype, user, debug)


def _may_change(doc: Document, before: Document | None, user: str) -> bool:
    if not getattr(frappe.local, "request", None):
        return True
    is_free = _is_ones_own(doc, user) and (before is None or (_is_ones_own(before, user) and not _is_kept(before)))
    return is_free or "Workspace Manager" in frappe.get_roles(user) or visibility.sees_everything(user)


def _is_ones_own(row: Any, user: str) -> bool:
    """Whether it is for nobody else. Pages for all have a mark of their own."""
    return row.get("for_user") in (None, "", user) or bool(row.get("public"))


def _is_kept(row: Any) -> bool:
    """Whether it is for all and a page, or this app's. Frappe itself checks who publishes a page."""
    if row.doctype == PAGE:
        return bool(row.get("public"))
    is_ours = row.get("app") == APP or row.get("module") == MODULE
    return is_ours and not row.get("for_user")
