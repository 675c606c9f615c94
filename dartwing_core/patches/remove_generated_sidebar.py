"""Deletes the sidebar that Desk 16 has generated, so that Desk shows ours."""

from __future__ import annotations

import frappe


def execute() -> None:
    """Delete the icon and the sidebar that Frappe 16 has made from our workspace. The sync then inserts ours.

    The sync would keep newer rows. The time zone of a new site can put the generated rows into the future.
    """
    for doctype in ("Desktop Icon", "Workspace Sidebar"):
        if frappe.db.exists("DocType", doctype):
            generated = {"name": "Background Jobs", "standard": 0}
            for name in frappe.get_all(doctype, filters=generated, pluck="name"):
                frappe.delete_doc(doctype, name, force=True)
