"""The reports of Desk. Their figures are of jobs that the reader may see."""

from __future__ import annotations

import frappe
from frappe import _


def refuse_other_readers() -> None:
    """Raise PermissionError in Frappe's background jobs, which prepare and mail a report for other readers."""
    if getattr(frappe.local, "job", None):
        raise frappe.PermissionError(_("This report is only for its reader, and is neither prepared nor mailed."))
