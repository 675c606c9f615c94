"""Makes every job in line Queued, with or without an RQ entry. The index of the line now holds the priority."""

from __future__ import annotations

import contextlib

import frappe

OLD_INDEX = "in_line_queue_organization_job_type_admission_rank_index"
WAITING = ("Pending", "Failed", "Timed Out")


def execute() -> None:
    job = frappe.qb.DocType("Background Job")
    # The next sweep puts them in line.
    frappe.qb.update(job).set(job.in_line, 0).where((job.in_line == 1) & job.status.isin(WAITING)).run()
    frappe.qb.update(job).set(job.in_line, 1).where((job.in_line == 0) & (job.status == "Queued")).run()
    if frappe.db.get_singles_dict("Job Engine Settings").get("slice_seconds") is None:
        frappe.db.set_single_value("Job Engine Settings", "slice_seconds", 5)
    with contextlib.suppress(Exception):  # a new site never had it
        frappe.db.sql_ddl(f"ALTER TABLE `tabBackground Job` DROP INDEX IF EXISTS `{OLD_INDEX}`")
