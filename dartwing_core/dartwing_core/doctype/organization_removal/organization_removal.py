from __future__ import annotations

import frappe
from frappe import _

from dartwing_core.dartwing_core.guarded_document import EngineDocument
from dartwing_core.jobs.sweep import organization_removal


class OrganizationRemoval(EngineDocument):
    """The removal of a deleted organization's jobs; named by its id, and written only by the engine."""

    def on_trash(self) -> None:
        """Refuse to delete the row of a removal that is not complete."""
        if self.status == organization_removal.RUNNING:
            frappe.throw(_("The organization is still being removed."))
