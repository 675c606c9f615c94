from __future__ import annotations

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs import config, desk_access


class BackgroundJobRun(Document):
    """One attempt of a background job; written by the engine alone."""

    def load_from_db(self):
        return desk_access.load_visible(self, super().load_from_db)

    def validate(self) -> None:
        frappe.throw(_("Attempts are recorded by the job engine only."), frappe.PermissionError)

    def validate_share(self, docshare) -> None:
        frappe.throw(_("Attempts can't be shared."), frappe.PermissionError)


def on_doctype_update() -> None:
    """Index for `dartwing_core.jobs.circuits.tally`. Of attempts that do not count all entries begin alike."""
    frappe.db.add_index(config.RUN, ["circuit_key", "circuit_epoch", "circuit_failure"])
