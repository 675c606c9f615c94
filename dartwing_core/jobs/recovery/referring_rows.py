"""Deletes rows of Frappe's that refer to documents which SQL deletes, as Frappe's own deletion of a document does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import frappe

from ..access import desk_access
from ..base import clock
from ..db import sql
from ..store import private_files

OF_ANY = {"Comment": ("reference_doctype", "reference_name")}
OF_FORMS = {
    "Version": ("ref_doctype", "docname"),
    "ToDo": ("reference_type", "reference_name"),
    "Document Follow": ("ref_doctype", "ref_docname"),
    "Tag Link": ("document_type", "document_name"),
    "View Log": ("reference_doctype", "reference_name"),
}
"""Further rows about documents that people edit in forms. The engine's own documents have none."""


def delete_files_of_missing() -> None:
    """Delete Files whose document of ours is gone: an upload beside its deletion has left them. Commits."""
    before = clock.site_time() - timedelta(seconds=private_files.ORPHANED_AFTER)
    for doctype in desk_access.TENANT_DOCTYPES:
        file, document = frappe.qb.DocType("File"), frappe.qb.DocType(doctype)
        query = frappe.qb.from_(file).left_join(document).on(document.name == file.attached_to_name).select(file.name)
        query = query.where((file.attached_to_doctype == doctype) & (file.modified < before) & document.name.isnull())
        names = query.limit(private_files.BATCH).run(pluck=True)
        sql.committed(partial(_delete_files, names))


def _delete_files(names: Sequence[str]) -> None:
    for name in names:
        frappe.delete_doc("File", name, ignore_permissions=True, force=True, delete_permanently=True)


def delete_about(doctype: str, names: Sequence[str], *, has_form: bool = False) -> None:
    """Delete files, comments and other rows about these documents. Mails stay, without their reference."""
    if not names:
        return
    attached = {"attached_to_doctype": doctype, "attached_to_name": ("in", names)}
    _delete_files(frappe.get_all("File", filters=attached, pluck="name"))
    for referring, (kind, name) in {**OF_ANY, **(OF_FORMS if has_form else {})}.items():
        frappe.db.delete(referring, {kind: doctype, name: ("in", names)})
    about = {"reference_doctype": doctype, "reference_name": ("in", names)}
    for communication in frappe.get_all("Communication", filters=about, pluck="name"):
        cleared = {"reference_doctype": None, "reference_name": None}
        frappe.db.set_value("Communication", communication, cleared, update_modified=False)
