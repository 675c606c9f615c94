"""Deletes rows of Frappe's that refer to documents which SQL deletes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import frappe

from ..access import desk_access
from ..base import clock
from ..db import best_effort, sql
from ..store import private_files

SAVEPOINT = "dartwing_core_file"
FIELDS = desk_access.REFERENCES | {
    "Notification Log": ("document_type", "document_name"),
    "Reminder": ("reminder_doctype", "reminder_docname"),
}
OF_ANY = ("Comment", "Communication")
OF_FORMS = ("Version", "ToDo", "Document Follow", "Tag Link", "View Log", "DocShare", "Notification Log", "Reminder")
"""Further rows about documents that people edit in forms. The engine's own documents have none."""
REFERRED_TO = frozenset({"Comment", "Communication", "ToDo"})
"""Rows that have such rows in turn. Left alone, these would be about nothing, and so be shown to everybody."""
DEEPEST = 3


def delete_files_of_missing(deadline: float) -> None:
    """Delete Files whose document of ours is gone: an upload beside its deletion has left them. Commits each."""
    before = clock.site_time() - timedelta(seconds=private_files.ORPHANED_AFTER)
    for doctype in desk_access.TENANT_DOCTYPES:
        file, document = frappe.qb.DocType("File"), frappe.qb.DocType(doctype)
        query = frappe.qb.from_(file).left_join(document).on(document.name == file.attached_to_name).select(file.name)
        query = query.where((file.attached_to_doctype == doctype) & (file.modified < before) & document.name.isnull())
        for name in query.run(pluck=True):
            if time.monotonic() > deadline:
                return
            best_effort.run(partial(sql.committed, partial(_delete_file, name)))


def _delete_file(name: str) -> None:
    frappe.delete_doc("File", name, ignore_permissions=True, force=True, delete_permanently=True)


def delete_about(doctype: str, names: Sequence[str], *, has_form: bool = False, level: int = 0) -> None:
    """Delete files, comments, mails and other rows about these documents, and rows about those.

    A File that another app or an odd address keeps from being deleted stays. The daily clean-up tries again.
    """
    if not names or level > DEEPEST:
        return
    _delete_files_of(doctype, names, level)
    for referring in (*OF_ANY, *(OF_FORMS if has_form else ())):
        kind, name = FIELDS[referring]
        about = {kind: doctype, name: ("in", names)}
        if referring in REFERRED_TO:
            rows = frappe.get_all(referring, filters=about, pluck="name")
            delete_about(referring, rows, has_form=True, level=level + 1)
            if referring == "Communication" and rows:
                frappe.db.delete("Communication Link", {"parenttype": referring, "parent": ("in", rows)})
        frappe.db.delete(referring, about)


def _delete_files_of(doctype: str, names: Sequence[str], level: int) -> None:
    attached = {"attached_to_doctype": doctype, "attached_to_name": ("in", names)}
    files = frappe.get_all("File", filters=attached, pluck="name")
    delete_about("File", files, has_form=True, level=level + 1)
    for file in files:
        frappe.db.savepoint(SAVEPOINT)
        try:
            _delete_file(file)
        except frappe.ValidationError:
            frappe.db.rollback(save_point=SAVEPOINT)
            frappe.clear_last_message()
            frappe.logger("dartwing_core").exception(f"The file {file} could not be deleted")
