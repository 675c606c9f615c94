from __future__ import annotations

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs import access, admission, circuits, schedule_store
from dartwing_core.jobs.outbox import outbox

MAX_WEIGHT = 100


class Organization(Document):
    """A tenant: jobs, limits and members belong to one."""

    def validate(self) -> None:
        self.weight = self.weight or 1
        if not 1 <= int(self.weight) <= MAX_WEIGHT:
            frappe.throw(_("Weight must be between {0} and {1}.").format(1, MAX_WEIGHT))

    def on_update(self) -> None:
        access.forget()
        outbox().afterwards(admission.admit_all)  # whoever was held back may go on

    def on_trash(self) -> None:
        schedule_store.forget(self.name)
        circuits.forget(self.name)

    def validate_share(self, docshare) -> None:
        frappe.throw(_("Organizations can't be shared. Make the user an Org Member instead."), frappe.PermissionError)
