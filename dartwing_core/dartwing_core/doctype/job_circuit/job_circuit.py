from __future__ import annotations

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs import circuits, config, desk_access


class JobCircuit(Document):
    """Whether jobs of a type start in an organization, or are held while they fail; written by the engine alone."""

    def load_from_db(self):
        return desk_access.load_visible(self, super().load_from_db)

    def validate(self) -> None:
        frappe.throw(_("Circuits are opened and closed by the job engine only."), frappe.PermissionError)

    def notify_update(self) -> None:
        """Nothing: Frappe would tell the name to everybody in the room of the DocType."""

    def before_rename(self, old: str, new: str, merge: bool = False) -> None:
        frappe.throw(_("A circuit can't be renamed."), frappe.PermissionError)

    def validate_share(self, docshare) -> None:
        frappe.throw(_("Circuits can't be shared."), frappe.PermissionError)

    def on_trash(self) -> None:
        if self.status != circuits.CLOSED:
            frappe.throw(_("The circuit is not closed. Close it before you delete it."))


def on_doctype_update() -> None:
    """Indexes for the queries of `dartwing_core.jobs.circuits`, `circuit_breaker` and `retention`."""
    frappe.db.add_unique(config.CIRCUIT, ["job_type", "organization"])
    frappe.db.add_index(config.CIRCUIT, ["status", "job_type", "organization"])
    frappe.db.add_index(config.CIRCUIT, ["organization", "status"])
