"""Rows of Frappe's that tell of our documents, and the accounts that look for them."""

from __future__ import annotations

from typing import Any

import frappe

JOB = "Background Job"
NOTICE = "Notification Log"
SUBJECT = "Job of Beta has failed"
"""Of a notice, and what saved filters look for."""
ACTORS = ("roleless", "user", "admin_a", "portal")
"""Accounts that may not see what is Beta's."""


def removed(*documents: Any) -> None:
    """Delete these, whatever links to them, and commit."""
    frappe.db.rollback()
    for document in documents:
        frappe.delete_doc(document.doctype, document.name, force=True, ignore_permissions=True)
    frappe.db.commit()
