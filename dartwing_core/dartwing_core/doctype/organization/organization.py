from __future__ import annotations

import frappe
from frappe import _
from frappe.utils import escape_html

from dartwing_core.dartwing_core.guarded_document import GuardedDocument
from dartwing_core.jobs import access, admission, circuits, ids, schedule_store
from dartwing_core.jobs.outbox import outbox

MAX_WEIGHT = 100


class Organization(GuardedDocument):
    """A tenant: jobs, limits and members belong to one. Its id is never used again; its name may be."""

    def autoname(self) -> None:
        self.name = ids.organization_name()

    def validate(self) -> None:
        self._check_name()
        self.weight = self.weight or 1
        if not 1 <= int(self.weight) <= MAX_WEIGHT:
            frappe.throw(_("Weight must be between {0} and {1}.").format(1, MAX_WEIGHT))

    def _check_name(self) -> None:
        """Who asks for an organization by its id gets no other one of that name."""
        self.org_name = (self.org_name or "").strip()
        if self.org_name != self.name and frappe.db.exists("Organization", self.org_name):
            frappe.throw(_("Another organization has the ID {0}.").format(frappe.bold(escape_html(self.org_name))))

    def on_update(self) -> None:
        access.forget()
        outbox().afterwards(admission.admit_all)  # whoever was held back may go on

    def on_trash(self) -> None:
        schedule_store.forget(self.name)
        circuits.forget(self.name)

    def validate_share(self, docshare) -> None:
        frappe.throw(_("Organizations can't be shared. Make the user an Org Member instead."), frappe.PermissionError)
