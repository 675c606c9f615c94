"""Keeps navigation in Desk: pages, sidebars, icons and layouts are changed by whom they are for, or by managers.

Frappe lets all of Desk write them, and looks at new values alone. So anybody put a page into the Desk of somebody else,
with texts and blocks whose scripts ran there, and took public pages from everybody. (15; the others: 16)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import frappe
from frappe import _

from dartwing_core.jobs.access import visibility

from .references import check_other_apps

if TYPE_CHECKING:
    from frappe.model.document import Document

PAGE, SIDEBAR, LAYOUT = "Workspace", "Workspace Sidebar", "Desktop Layout"
OWN_PAGES = "My Workspaces-"
"""How the sidebar of a user's private pages is named, in front of the user."""


def keep_navigation(doc: Document, method: str | None = None, *_names: str) -> None:
    """`validate`, `on_trash` and `before_rename` of Workspace, Workspace Sidebar, Desktop Icon and Desktop Layout."""
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
    is_free = _is_ones_own(doc, user) and (
        before is None or (_is_ones_own(before, user) and not _is_kept(before, user))
    )
    return is_free or "Workspace Manager" in frappe.get_roles(user) or visibility.sees_everything(user)


def _is_ones_own(row: Any, user: str) -> bool:
    """Whether it is for nobody else. Pages for all have a mark of their own."""
    person = row.get("user" if row.doctype == LAYOUT else "for_user")
    named = [str(row.get(field) or "") for field in ("name", "title")] if row.doctype == SIDEBAR else []
    is_named_ones_own = all(name == OWN_PAGES + user for name in named if name.startswith(OWN_PAGES))
    return bool(row.get("public")) or (person in (None, "", user) and is_named_ones_own)


def _is_kept(row: Any, user: str) -> bool:
    """Whether it is for all, or nobody says for whom. Frappe itself checks who publishes a page."""
    if row.doctype == PAGE:
        return bool(row.get("public"))
    return row.doctype != LAYOUT and not row.get("for_user") and row.owner != user
