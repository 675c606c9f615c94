"""Rows of Frappe's that tell of our documents, and the accounts that look for them."""

from __future__ import annotations

from typing import Any

import frappe

from . import factory
from .http import Client

SECRET = "s3cret-step"
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


def insert(doctype: str, **values: Any) -> Any:
    """A row of others, whatever it links to."""
    return frappe.get_doc({"doctype": doctype, **values}).insert(ignore_permissions=True, ignore_links=True)


def clients(web: str) -> dict[str, Client]:
    """Admins of Alpha, who see the rows about it, and of Beta."""
    roles = ("Dartwing Admin", "Desk User")
    return {
        "inside": Client(web).with_token(factory.user("step_inside", factory.ALPHA, roles=roles, org_role="Admin")),
        "outside": Client(web).with_token(factory.user("step_outside", factory.BETA, roles=roles, org_role="Admin")),
    }
