"""When the app is uninstalled: take away what Frappe would leave, and what would fail or be shown afterwards.

Frappe itself deletes the app's DocTypes with their tables, and what belongs to its module, such as its reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import frappe

from dartwing_core.install import APP, ROLES
from dartwing_core.jobs.db import sql
from dartwing_core.jobs.recovery import blocking_rows
from dartwing_core.jobs.store import job_files, private_files

SET_UP = {
    **dict.fromkeys(("Property Setter", "Print Format", "Web Form"), "doc_type"),
    **dict.fromkeys(("Custom Field", "Client Script"), "dt"),
    **dict.fromkeys(("Server Script", "Kanban Board", "List Filter", "Auto Repeat"), "reference_doctype"),
    **dict.fromkeys(("Calendar View", "Data Import"), "reference_doctype"),
    **dict.fromkeys(("Notification", "Workflow", "Assignment Rule", "Document Naming Rule"), "document_type"),
    **dict.fromkeys(("Number Card", "Dashboard Chart", "Milestone Tracker", "DocType Layout"), "document_type"),
    "Webhook": "webhook_doctype",
    "Workflow Action": "reference_doctype",
    "User Permission": "allow",
}
"""DocTypes of what people set up for a DocType, with the field that names it. Nothing of it works without that."""
SET_UP_FOR_REPORT = {"Auto Email Report": "report", "Prepared Report": "report_name"}
ROWS = {
    **dict.fromkeys(("Comment", "View Log", "Document Share Key"), "reference_doctype"),
    **dict.fromkeys(("Tag Link", "Notification Log", "Workspace Quick List"), "document_type"),
    **dict.fromkeys(("Version", "Document Follow"), "ref_doctype"),
    "DocShare": "share_doctype",
    "Custom DocPerm": "parent",
    "Logs To Clear": "ref_doctype",
    "Global Search DocType": "document_type",
    **dict.fromkeys(("DocType Link", "Communication Link"), "link_doctype"),
    "Permission Type": "doc_type",
    "Singles": "doctype",  # Frappe 15 leaves those of settings
    **{doctype: kind for doctype, (kind, _name) in blocking_rows.ROWS.items()},
}
"""Rows about our documents, with the field that names their DocType. The app's rules no longer hide them."""
REFERRING = {
    "ToDo": ("reference_type", "reference_name"),
    **dict.fromkeys(("Communication", "Email Queue"), ("reference_doctype", "reference_name")),
    blocking_rows.EVENT: blocking_rows.EVENT_FIELDS,
}
"""People's own rows. They stay without their reference, with which Frappe could not save or send them."""


def before_uninstall() -> None:
    """Hook: delete what refers to the app or its DocTypes. Does not commit, since a dry run calls it, too."""
    _delete("Scheduled Job Type", {"method": ["like", f"{APP}.%"]})
    for doctype in ("Desktop Icon", "Workspace Sidebar"):
        # Without on_trash, which would also delete the app's file in developer mode.
        _delete(doctype, {"app": APP}, ignore_on_trash=True)
    for doctype in ("Has Role", "Custom DocPerm"):
        frappe.db.delete(doctype, {"role": ["in", ROLES]})
    _delete("Role", {"name": ["in", ROLES]})
    _delete_references(_doctypes())


def after_uninstall() -> None:
    """Hook: delete the files of jobs. A dry run calls it, too, and the app is still there."""
    if APP not in frappe.get_installed_apps():
        job_files.delete_all()


def _doctypes() -> list[str]:
    modules = frappe.get_all("Module Def", filters={"app_name": APP}, pluck="name")
    return frappe.get_all("DocType", filters={"module": ["in", modules]}, pluck="name")


def _delete_references(doctypes: Sequence[str]) -> None:
    """Delete what refers to these DocTypes and their documents, or take the reference out of it."""
    ours = ["in", doctypes]
    for doctype, field in SET_UP.items():
        _delete(doctype, {field: ours}, ignore_on_trash=True)
    reports = frappe.get_all("Report", filters={"ref_doctype": ours}, pluck="name")
    for doctype, field in SET_UP_FOR_REPORT.items():
        _delete(doctype, {field: ["in", reports]}, ignore_on_trash=True)
    _delete_files({"attached_to_doctype": ours})
    for doctype, field in ROWS.items():
        if frappe.db.table_exists(doctype):
            frappe.db.delete(doctype, {field: ours})
    for doctype, fields in REFERRING.items():
        if frappe.get_meta(doctype).has_field(fields[0]):  # Frappe 15 has no such fields of events
            frappe.db.set_value(doctype, {fields[0]: ours}, dict.fromkeys(fields), update_modified=False)


def _delete_files(filters: Mapping[str, Any]) -> None:
    """Delete these Files. Their bytes go with the commit."""
    for name, address in frappe.get_all("File", filters=filters, fields=["name", "file_url"], as_list=True):
        if not private_files.is_kept(address):
            _delete("File", {"name": name}, flags={"goes_with_document": True})
    frappe.db.delete("File", filters)
    sql.callback_of_transaction(private_files.EmptiedFolder)


def _delete(doctype: str, filters: Mapping[str, Any], **options: Any) -> None:
    """Delete these documents by Frappe's function. Some versions of Frappe lack one of the DocTypes.

    Files attached to them go first: with their document, Frappe would delete the bytes at once.
    """
    if not frappe.db.table_exists(doctype):
        return
    names = frappe.get_all(doctype, filters=filters, pluck="name")
    if names and doctype != "File":
        _delete_files({"attached_to_doctype": doctype, "attached_to_name": ["in", names]})
    for name in names:
        frappe.delete_doc(doctype, name, force=True, ignore_permissions=True, **options)
