"""An export holds what its owner may read: on sites that have the Job Type already, admins do not get it any more."""

from __future__ import annotations

import frappe

HANDLER = "dartwing_core.handlers.export_records.export_records"


def execute() -> None:
    for name in frappe.get_all("Job Type", {"handler_method": HANDLER}, pluck="name"):
        frappe.db.set_value("Job Type", name, "results_visible_to", "Owner Only")
