"""Drops indexes that other indexes have replaced: each costs every job some time."""

from __future__ import annotations

import frappe

OLD = ("in_line_status_waits_for_due_epoch_index", "status_queued_at_index", "depends_on_status_index")


def execute() -> None:
    drops = ", ".join(f"DROP INDEX IF EXISTS `{name}`" for name in OLD)
    frappe.db.sql_ddl(f"ALTER TABLE `tabBackground Job` {drops}")
