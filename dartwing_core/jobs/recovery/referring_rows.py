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
FIELDS = desk_access.REFERENCES | {"Notification Log": ("document_type", "document_name")}
OF_ANY = ("Comment",)
OF_FORMS = ("Version", "ToDo", "Document Follow", "Tag Link", "View Log", "DocShare", "Notification Log")
"""Further rows about documents that people edit in forms. The engine's own documents have none."""
WITH_FILES = frozenset({"Comment", "ToDo"})


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


def delete_about(doctype: str, names: Sequence[str], *, has_form: bool = False) -> None:
    """Delete files, comments and other rows about these documents. Mails stay, without their reference.

    A File that another app or an odd address keeps from being deleted stays. The daily clean-up tries again.
    """
    if not names:
        return
    _delete_files_of(doctype, names)
    for referring in (*OF_ANY, *(OF_FORMS if has_form else ())):
        kind, name = FIELDS[referring]
        about = {kind: doctype, name: ("in", names)}
        if referring in WITH_FILES:
            _delete_files_of(referring, frappe.get_all(referring, filters=about, pluck="name"))
        frappe.db.delete(referring, about)
    about = {"reference_doctype": doctype, "reference_name": ("in", names)}
    for communication in frappe.get_all("Communication", filters=about, pluck="name"):
        cleared = {"reference_doctype": None, "reference_name": None}
        frappe.db.set_value("Communication", communication, cleared, update_modified=False)


def _delete_files_of(doctype: str, names: Sequence[str]) -> None:
    attached = {"attached_to_doctype": doctype, "attached_to_name": ("in", names)}
    for file in frappe.get_all("File", filters=attached, pluck="name") if names else ():
        frappe.db.savepoint(SAVEPOINT)
        try:
            _delete_file(file)
        except frappe.ValidationError:
            frappe.db.rollback(save_point=SAVEPOINT)
            frappe.clear_last_message()
            frappe.logger("dartwing_core").exception(f"The file {file} could not be deleted")
