"""Marks private files of jobs, and gives those of schedules, organizations and members names that nobody can guess."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import frappe

from dartwing_core.jobs.access import result_files
from dartwing_core.jobs.access.desk_access import ENGINE_DOCTYPES, TENANT_DOCTYPES

if TYPE_CHECKING:
    from frappe.model.document import Document


def execute() -> None:
    """Each file that is not marked yet. Addresses of jobs' files stay: results name them."""
    table = frappe.qb.DocType("File")
    query = frappe.qb.from_(table).select(table.name).where(table.attached_to_doctype.isin(TENANT_DOCTYPES))
    is_older = table.content_hash.isnull() | table.content_hash.not_like(f"{result_files.MARK}%")
    for name in query.where((table.is_private == 1) & (table.is_folder == 0) & is_older).run(pluck=True):
        file = frappe.get_doc("File", name)
        before = file.file_url or ""
        path = result_files.folder() / before.removeprefix(result_files.FOLDER)
        if before != result_files.FOLDER + path.name or not path.is_file():
            continue
        if file.attached_to_doctype in ENGINE_DOCTYPES:
            file.db_set("content_hash", result_files.own_hash(), update_modified=False)
        else:
            _move(file, path)
            _follow(file, before)


def _move(file: Document, path: Path) -> None:
    """Copy the bytes to a new name. The old ones go with the commit, unless another File leads to them."""
    name = result_files.unguessable(path.name)
    copy = result_files.folder() / name
    with path.open("rb") as content:
        result_files.write(content, copy)
    frappe.db.after_commit.add(lambda: _unlink_unused(path))
    frappe.db.after_rollback.add(lambda: copy.unlink(missing_ok=True))
    values = {"file_url": result_files.FOLDER + name, "content_hash": result_files.own_hash()}
    file.db_set(values, update_modified=False)


def _unlink_unused(path: Path) -> None:
    if not frappe.db.exists("File", {"file_url": ["like", f"%{path.name}"]}):  # in any spelling
        path.unlink(missing_ok=True)


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
