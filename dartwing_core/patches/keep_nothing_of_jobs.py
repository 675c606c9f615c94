"""Removes data of jobs that Frappe has kept, and that others could read: prepared reports and deleted documents."""

from __future__ import annotations

import frappe

from dartwing_core.jobs.access.desk_access import ENGINE_DOCTYPES, TENANT_DOCTYPES
from dartwing_core.jobs.base import config


def execute() -> None:
    ours = ["in", TENANT_DOCTYPES]
    reports = frappe.get_all("Report", filters={"ref_doctype": ours}, pluck="name")
    frappe.db.set_value("Report", {"ref_doctype": ours}, "prepared_report", 0)
    for name in frappe.get_all("Prepared Report", filters={"report_name": ["in", reports]}, pluck="name"):
        frappe.delete_doc("Prepared Report", name, ignore_permissions=True, force=True, delete_permanently=True)
    frappe.db.delete("Deleted Document", {"deleted_doctype": ["in", [*ENGINE_DOCTYPES, config.SCHEDULE]]})
