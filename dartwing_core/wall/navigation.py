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

if TYPE_CHECKING:
    from frappe.model.document import Document

APP, PAGE = "dartwing_core", "Workspace"


def keep_navigation(doc: Document, method: str | None = None, *_names: str) -> None:
    """`validate`, `on_trash` and `before_rename` of Workspace, Workspace Sidebar and Desktop Icon."""
    if not getattr(frappe.local, "request", None):
        return
    before = doc.get_doc_before_save() if method == "validate" else doc
    is_free = _is_ones_own(doc) and (before is None or (_is_ones_own(before) and not _is_kept(before)))
    if not is_free and "Workspace Manager" not in frappe.get_roles() and not visibility.viewer().sees_everything:
        frappe.throw(_("Only workspace managers may change this."), frappe.PermissionError)


def _is_ones_own(row: Any) -> bool:
    """Whether it is for nobody else. Pages for all have a mark of their own."""
    return row.get("for_user") in (None, "", frappe.session.user) or bool(row.get("public"))


def _is_kept(row: Any) -> bool:
    """Whether it is for all and a page, or this app's. Frappe itself checks who publishes a page."""
    if row.doctype == PAGE:
        return bool(row.get("public"))
    is_ours = row.get("app") == APP or row.get("module") == MODULE
    return is_ours and not row.get("for_user")
