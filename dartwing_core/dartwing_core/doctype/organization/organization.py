from __future__ import annotations

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs import access


class Organization(Document):
    """A tenant: jobs, limits and members belong to one."""

    def on_update(self) -> None:
        access.forget()

    def validate_share(self, docshare) -> None:
        frappe.throw(_("Organizations can't be shared. Make the user an Org Member instead."), frappe.PermissionError)
