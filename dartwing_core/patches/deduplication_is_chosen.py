"""Says on each Job Type how long equal jobs are duplicates: within the window as before, or never where it was 0."""

from __future__ import annotations

import frappe

from dartwing_core.jobs.base import config


def execute() -> None:
    job_type = frappe.qb.DocType(config.JOB_TYPE)
    unsaid = job_type.deduplication.isnull() | (job_type.deduplication == "")
    for policy, has_it in ((config.NEVER, job_type.deduplication_window == 0), (config.WITHIN_WINDOW, unsaid)):
        frappe.qb.update(job_type).set(job_type.deduplication, policy).where(unsaid & has_it).run()
