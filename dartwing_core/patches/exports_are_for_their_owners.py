"""Hides exports from admins on sites that already have the Job Type: an export may hold data only for its owner."""

from __future__ import annotations

import frappe

HANDLER = "dartwing_core.handlers.export_records.export_records"


def execute() -> None:
    for name in frappe.get_all("Job Type", {"handler_method": HANDLER}, pluck="name"):
        frappe.db.set_value("Job Type", name, "results_visible_to", "Owner Only")
