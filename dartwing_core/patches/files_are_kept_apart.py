"""Marks private files of jobs, and gives those of schedules, organizations and members names that nobody can guess."""

from __future__ import annotations

import functools
import html
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

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
            _part_from_strangers(before, path)
            file.db_set("content_hash", result_files.own_hash(), update_modified=False)
        else:
            values = {"file_url": _copy(path), "content_hash": result_files.own_hash()}
            frappe.db.after_commit.add(functools.partial(_unlink_unused, path))
            _move(file, values)


def _part_from_strangers(address: str, path: Path) -> None:
    """Give the Files of others a copy. Frappe lets Files of equal content share one file."""
    found = frappe.get_all("File", {"file_url": address}, ["name", "file_url", "attached_to_doctype"])
    # The database ignores case, the disk does not.
    strangers = [one for one in found if one.file_url == address and one.attached_to_doctype not in TENANT_DOCTYPES]
    copy = _copy(path) if strangers else ""
    for one in strangers:
        _move(frappe.get_doc("File", one.name), {"file_url": copy})


def _copy(path: Path) -> str:
    """The address of a copy with a new name, which a rollback removes."""
    name = result_files.unguessable(path.name)
    copy = result_files.folder() / name
    with path.open("rb") as content:
        result_files.write(content, copy)
    frappe.db.after_rollback.add(lambda: copy.unlink(missing_ok=True))
    return result_files.FOLDER + name


def _move(file: Document, values: dict[str, str]) -> None:
    before = file.file_url
    file.db_set(values, update_modified=False)
    if file.attached_to_name and frappe.db.exists("DocType", file.attached_to_doctype):
        _follow(file, before)


def _unlink_unused(path: Path) -> None:
    if not frappe.db.exists("File", {"file_url": ["like", f"%{path.name}"]}):  # in any spelling
        path.unlink(missing_ok=True)


def _follow(file: Document, before: str) -> None:
    """Put the new address into the comments and attachment fields of the document, which name the old one."""
    doctype, name = file.attached_to_doctype, file.attached_to_name
    quoted = quote(before, safe="/:")
    spellings = {before: file.file_url, html.escape(before): file.file_url, quoted: quote(file.file_url, safe="/:")}
    about = {"reference_doctype": doctype, "reference_name": name}
    shows_it = [["content", "like", f"%{spelling}%"] for spelling in spellings]
    for comment, text in frappe.get_all("Comment", about, ["name", "content"], or_filters=shows_it, as_list=True):
        for spelling, new in spellings.items():
            # Not in a longer address, such as that of a copy: plan.png.bak
            text = re.sub(rf"{re.escape(spelling)}(?![\w%-]|\.\w)", new, text)  # a new name has no backslash
        frappe.db.set_value("Comment", comment, "content", text, update_modified=False)
    meta = frappe.get_meta(doctype)
    for field in meta.get("fields", {"fieldtype": ["in", ["Attach", "Attach Image"]]}):
        if field.fieldname not in meta.get_valid_columns():
            continue
        if frappe.db.get_value(doctype, name, field.fieldname) == before:
            frappe.db.set_value(doctype, name, field.fieldname, file.file_url, update_modified=False)
