"""Before the app is uninstalled: take away what Frappe would leave, and what would fail afterwards.

Frappe itself deletes the app's DocTypes with their tables, and what belongs to its module, such as its reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import frappe

from dartwing_core.install import APP, ROLES
from dartwing_core.jobs.job import job_files

MODULE = "Dartwing Core"


def before_uninstall() -> None:
    """Hook: delete what refers to the app. Does not commit, since a dry run calls it, too."""
    _delete("Scheduled Job Type", {"method": ["like", f"{APP}.%"]})
    for doctype in ("Desktop Icon", "Workspace Sidebar"):
        # Without on_trash, which would also delete the app's file in developer mode.
        _delete(doctype, {"app": APP}, ignore_on_trash=True)
    for doctype in ("Has Role", "Custom DocPerm"):
        frappe.db.delete(doctype, {"role": ["in", ROLES]})
    _delete("Role", {"name": ["in", ROLES]})
    own = frappe.get_all("DocType", {"module": MODULE}, pluck="name")
    frappe.db.delete("Property Setter", {"doc_type": ["in", own]})  # with one, Frappe would look for our tables


def after_uninstall() -> None:
    """Hook: delete the files of jobs. A dry run calls it, too, and the app is still there."""
    if APP not in frappe.get_installed_apps():
        job_files.delete_all()


def _delete(doctype: str, filters: Mapping[str, Any], **options: Any) -> None:
    """Delete these documents by Frappe's function. Frappe 15 lacks some of the DocTypes."""
    if frappe.db.table_exists(doctype):
        for name in frappe.get_all(doctype, filters=filters, pluck="name"):
            frappe.delete_doc(doctype, name, force=True, ignore_permissions=True, **options)
