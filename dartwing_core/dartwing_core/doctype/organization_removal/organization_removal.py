from __future__ import annotations

import frappe
from frappe import _

from dartwing_core.dartwing_core.guarded_document import EngineDocument
from dartwing_core.jobs.recovery import organization_removal


class OrganizationRemoval(EngineDocument):
    """What becomes of the jobs of a deleted organization; named by its id, and written by the engine alone."""

    def on_trash(self) -> None:
        if self.status == organization_removal.RUNNING:
            frappe.throw(_("The organization is still being removed."))
