"""Roles of one document count for no other document of the same name.

Frappe looks up the roles of a report, page, block or account by its name alone, whatever DocType the rows are of. So
any account of Desk made a block with the name of a report, gave it a role of its own, and ran the report. (15, 16)

Frappe does so in about ten places, and apps may, too. So a document with roles takes no name of a document whose roles
are found so. Names are compared as the database does. `Report.is_permitted`, `Page.is_permitted` and the check of a
block, which alone let anybody in, also read the document's own rows only: a name may be taken before its report is
made, and rows may be older than this rule.

Not covered are the other readers, for such rows: lists of reports and pages in Desk, and mails to all users with a
role. An account takes any name, since nobody is to prevent a sign-up by a block.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any

import frappe
from frappe import _
from frappe.core.doctype.custom_role.custom_role import get_custom_allowed_roles
from frappe.core.doctype.page.page import Page
from frappe.core.doctype.report.report import Report
from frappe.desk.desktop import Workspace
from frappe.model.document import Document

from dartwing_core.jobs.access import visibility

from . import by_request, callers, wrapping

HAS_ROLE, ACCOUNT, BLOCK = "Has Role", "User", "Custom HTML Block"
FOUND_BY_NAME = (ACCOUNT, "Report", "Page", BLOCK, "Custom Role")
"""Others, such as workspaces and icons, have one name by design. Frappe reads their own rows."""


def check(doctype: str, name: str) -> None:
    """Raises frappe.PermissionError if roles of this document would count for one of another DocType."""
    if doctype == ACCOUNT or visibility.viewer().sees_everything:
        return
    if any(frappe.db.exists(other, {"name": name}) for other in FOUND_BY_NAME if other != doctype):
        text = _("Something else is named {0}, and these roles would count for it, too. Choose another name.")
        frappe.throw(text.format(name), frappe.PermissionError)


def check_rename(doctype: str, old: str, new: str) -> None:
    """Raises frappe.PermissionError if a document with roles is to get such a name."""
    if frappe.db.exists(HAS_ROLE, {"parenttype": doctype, "parent": old}):
        check(doctype, new)


def _checking(set_parents: Callable[[Document], None]) -> Callable[[Document], None]:
    """`set_parent_in_children`, which Frappe calls when the name is known and nothing is written yet."""

    @functools.wraps(set_parents)
    def checked(self: Document) -> None:
        set_parents(self)
        if by_request.is_by_request() and _gets_roles(self) and callers.frappe_saves(self):
            check(self.doctype, self.name)

    return checked


def _gets_roles(document: Document) -> bool:
    """Whether there are roles that were not in the document before."""
    roles = _rows(document)
    return bool(roles) and not roles <= _rows(document.get_doc_before_save())


def _rows(document: Document | None) -> set[tuple[Any, Any]]:
    if document is None:
        return set()
    fields = [field.fieldname for field in document.meta.get_table_fields() if field.options == HAS_ROLE]
    return {(row.name, row.role) for field in fields for row in document.get(field) or ()}


# Reading --------------------------------------------------------------------------------------------------------------


def _roles_of(doctype: str, name: str) -> list[str]:
    return frappe.get_all(HAS_ROLE, filters={"parenttype": doctype, "parent": name}, pluck="role")


def _is_any_mine(roles: Collection[str]) -> bool:
    """Whether the user has one of these roles. No roles are for all."""
    return not roles or not {*roles}.isdisjoint(frappe.get_roles())


def _of_report(is_permitted: Callable[[Report], bool]) -> Callable[[Report], bool]:
    @functools.wraps(is_permitted)
    def is_report_permitted(self: Report) -> bool:
        return _is_any_mine(get_custom_allowed_roles("report", self.name) or _roles_of("Report", self.name))

    return is_report_permitted


def _of_page(is_permitted: Callable[[Page], bool]) -> Callable[[Page], bool]:
    @functools.wraps(is_permitted)
    def is_page_permitted(self: Page) -> bool:
        return _is_any_mine([*_roles_of("Page", self.name), *get_custom_allowed_roles("page", self.name)])

    return is_page_permitted


def _of_block(is_permitted: Callable[[Workspace, str], bool]) -> Callable[[Workspace, str], bool]:
    @functools.wraps(is_permitted)
    def is_block_permitted(_self: Workspace, custom_block_name: str) -> bool:
        return _is_any_mine(_roles_of(BLOCK, custom_block_name))

    return is_block_permitted


wrapping.replace(Document, "set_parent_in_children", _checking, has_flag_of_request=True)
wrapping.replace(Report, "is_permitted", _of_report)
wrapping.replace(Page, "is_permitted", _of_page)
wrapping.replace(Workspace, "is_custom_block_permitted", _of_block)
