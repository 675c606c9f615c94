from __future__ import annotations

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs import desk_access


class JobExecutionLog(Document):
    """One status change of a background job; written by the engine alone."""

    def load_from_db(self):
        return desk_access.load_visible(self, super().load_from_db)

    def validate(self) -> None:
        frappe.throw(_("The execution log is written by the job engine only."), frappe.PermissionError)

    def validate_share(self, docshare) -> None:
        frappe.throw(_("The execution log can't be shared."), frappe.PermissionError)
