"""Moves bytes that are not in the folder of our private files, but belong there.

They lie elsewhere if an earlier release stored them, or if code of the site attached a File that was there already.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import frappe
from frappe.query_builder.functions import Locate
from frappe.utils import cint, get_files_path

from dartwing_core.jobs.access.desk_access import TENANT_DOCTYPES
from dartwing_core.jobs.base import config
from dartwing_core.jobs.db import best_effort
from dartwing_core.jobs.store import private_files
from dartwing_core.jobs.store.private_files import FOLDER, PRIVATE

from .by_request import is_by_request
from .shown_files import fields_for_files

if TYPE_CHECKING:
    from frappe.model.document import Document


def move_all() -> None:
    """Move the bytes of all Files of ours that lie elsewhere (`after_migrate`). Commits each file.

    A file that can't be moved stays where it is, and is named in the log.
    """
    private_files.folder()
    frappe.db.commit()  # a file that can not be moved undoes nothing else
    table = frappe.qb.DocType("File")
    query = frappe.qb.from_(table).select(table.name).where(table.attached_to_doctype.isin(TENANT_DOCTYPES))
    query = query.where((table.is_private == 1) & (table.is_folder == 0) & table.file_url.like(f"{PRIVATE}%"))
    for name in query.where(table.file_url.not_like(f"{FOLDER}%")).run(pluck=True):
        try:
            _move_stored(name)
            frappe.db.commit()
        except Exception:
            frappe.db.rollback()
            frappe.logger("dartwing_core").exception(f"The file {name} could not be moved to its folder")


def _move_stored(name: str) -> None:
    file = frappe.get_doc("File", name, for_update=True)
    if values := move(file):
        file.db_set(values, update_modified=False)


def is_to_move(file: Document) -> bool:
    """Whether a File is a private one of ours, and its bytes lie elsewhere on this disk."""
    is_ours = file.attached_to_doctype in TENANT_DOCTYPES and cint(file.is_private) and not cint(file.is_folder)
    address = file.file_url or ""
    return bool(is_ours and address.startswith(PRIVATE) and not private_files.is_kept(address))


def move(file: Document) -> dict[str, str]:
    """Copy the bytes to their place. Returns the File's new values, or none if there are no bytes.

    Fields and comments with the old address get the new one. The old bytes go after the commit, unless another File
    leads there. A rollback deletes the copy.
    """
    before = file.file_url
    old = Path(get_files_path(*before.removeprefix(PRIVATE).split("/"), is_private=True))
    if not old.is_file() or not private_files.is_within_files(str(old)) or private_files.mark_at(old) is not None:
        return {}
    address = private_files.address_for(file.name, str(file.file_name or old.name).replace("/", ""))
    new = private_files.path_of(address)
    new.unlink(missing_ok=True)  # what a move that was killed has left
    with old.open("rb") as content:
        private_files.write(content, new)
    frappe.db.before_rollback.add(lambda: new.unlink(missing_ok=True))
    frappe.db.after_commit.add(lambda: best_effort.run(lambda: _unlink_unused(old, before)))
    follow(file, before, address)
    return {"file_url": address, "content_hash": private_files.own_hash()}


def _unlink_unused(path: Path, address: str) -> None:
    """Delete the old bytes, unless a File leads there. Frappe lets Files of equal content share an address."""
    table = frappe.qb.DocType("File")
    may_lead_there = (table.file_url == address) | (Locate(path.name, table.file_url) > 0)
    others = frappe.qb.from_(table).select(table.file_url).where(may_lead_there).run(pluck=True)
    if any(other.rpartition("/")[2] == path.name and not private_files.is_kept(other) for other in others):
        frappe.logger("dartwing_core").warning(f"{path.name} stays among the private files: others share it")
    else:
        path.unlink(missing_ok=True)


def follow(file: Document, before: str, after: str) -> None:
    """Put the new address into the fields of the document that hold the old one, and into comments that name it.

    A user who attaches a copy of a published file changes no comments of others.
    """
    doctype, name = file.attached_to_doctype, file.attached_to_name
    if not name or not frappe.db.exists(doctype, name):
        return
    for field in _fields_with_addresses(doctype):
        if frappe.db.get_value(doctype, name, field) == before:
            frappe.db.set_value(doctype, name, field, after, update_modified=False)
    if doctype == config.JOB:
        _follow_in_result(name, before, after)
    if not is_by_request():
        _follow_in_comments(doctype, name, before, after)


def _follow_in_comments(doctype: str, name: str, before: str, after: str) -> None:
    spellings = {before: after, html.escape(before): after, quote(before, safe="/:"): quote(after, safe="/:")}
    about = {"reference_doctype": doctype, "reference_name": name}
    shows_it = [["content", "like", f"%{spelling}%"] for spelling in spellings]
    for comment, text in frappe.get_all("Comment", about, ["name", "content"], or_filters=shows_it, as_list=True):
        for spelling, new in spellings.items():
            # Not in a longer address, such as that of a copy: plan.png.bak
            text = re.sub(rf"{re.escape(spelling)}(?![\w%-]|\.\w)", new, text)  # a new name has no backslash
        frappe.db.set_value("Comment", comment, "content", text, update_modified=False)


def _fields_with_addresses(doctype: str) -> list[str]:
    columns = frappe.get_meta(doctype).get_valid_columns()
    return [field.fieldname for field in fields_for_files(doctype) if field.fieldname in columns]


def _follow_in_result(job: str, before: str, after: str) -> None:
    """Writes only what changes: an attempt must not lock the row of its own job."""
    old = frappe.db.get_value(config.JOB, job, ["output_reference", "result"], as_dict=True)
    new = {
        "output_reference": after if old.output_reference == before else old.output_reference,
        "result": old.result and old.result.replace(json.dumps(before), json.dumps(after)),
    }
    if new != old:
        frappe.db.set_value(config.JOB, job, new, update_modified=False)
