from __future__ import annotations

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs import config, desk_access


class BackgroundJobDependency(Document):
    """One of several jobs that a background job depends on; written by the engine alone."""

    def load_from_db(self):
        return desk_access.load_visible(self, super().load_from_db)

    def validate(self) -> None:
        frappe.throw(_("Dependencies are recorded by the job engine only."), frappe.PermissionError)

    def validate_share(self, docshare) -> None:
        frappe.throw(_("Dependencies can't be shared."), frappe.PermissionError)


def on_doctype_update() -> None:
    """Indexes for the queries of `dartwing_core.jobs.backlog`: from the child, and from the parent."""
    frappe.db.add_index(config.DEPENDENCY, ["background_job", "depends_on"])
    frappe.db.add_index(config.DEPENDENCY, ["depends_on"])
