from __future__ import annotations

import frappe
from frappe import _
from frappe.model.document import Document


class BackgroundJobRun(Document):
    """One attempt of a background job; written by the engine alone."""

    def validate(self) -> None:
        frappe.throw(_("Attempts are recorded by the job engine only."), frappe.PermissionError)

    def validate_share(self, docshare) -> None:
        frappe.throw(_("Attempts can't be shared."), frappe.PermissionError)
