"""Gives private files of schedules, organizations and members names that nobody can guess, and bytes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import frappe

from dartwing_core.jobs.access.desk_access import ENGINE_DOCTYPES, TENANT_DOCTYPES
from dartwing_core.wall import references

if TYPE_CHECKING:
    from frappe.model.document import Document


def execute() -> None:
    doctypes = sorted({*TENANT_DOCTYPES} - {*ENGINE_DOCTYPES})
    for name in frappe.get_all("File", {"attached_to_doctype": ["in", doctypes], "is_private": 1}, pluck="name"):
        file = frappe.get_doc("File", name)
        before = file.file_url
        references.keep_saved_apart(file)
        if file.file_url != before:
            _follow(file, before)


def _follow(file: Document, before: str) -> None:
    """Put the new address into the comments and attachment fields of the document, which name the old one."""
    doctype, name = file.attached_to_doctype, file.attached_to_name
    about = {"reference_doctype": doctype, "reference_name": name, "content": ["like", f"%{before}%"]}
    for comment, content in frappe.get_all("Comment", about, ["name", "content"], as_list=True):
        text = content.replace(before, file.file_url)
        frappe.db.set_value("Comment", comment, "content", text, update_modified=False)
    for field in frappe.get_meta(doctype).get("fields", {"fieldtype": ["in", ["Attach", "Attach Image"]]}):
        if frappe.db.get_value(doctype, name, field.fieldname) == before:
            frappe.db.set_value(doctype, name, field.fieldname, file.file_url, update_modified=False)
