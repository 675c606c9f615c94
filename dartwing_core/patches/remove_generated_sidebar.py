"""Desk 16 shows our sidebar in place of the one that it has generated."""

from __future__ import annotations

import frappe


def execute() -> None:
    """Delete the icon and the sidebar that Frappe 16 has made from our workspace; the sync then brings ours.

    The sync would keep rows that are newer: the time zone of a new site can put theirs into the future.
    """
    for doctype in ("Desktop Icon", "Workspace Sidebar"):
        if frappe.db.exists("DocType", doctype):
            generated = {"name": "Background Jobs", "standard": 0}
            for name in frappe.get_all(doctype, filters=generated, pluck="name"):
                frappe.delete_doc(doctype, name, force=True)
