"""Rows of Frappe's that tell of our documents, and the accounts that look for them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import frappe
from frappe.model.document import Document

from . import factory
from .http import Client

SECRET = "s3cret-step"
JOB = "Background Job"
NOTICE = "Notification Log"
SUBJECT = "Job of Beta has failed"
"""Of a notice, and what saved filters look for."""
ACTORS = ("roleless", "user", "admin_a", "portal")
"""Accounts that may not see what is Beta's."""


def removed(*documents: Document) -> None:
    """Delete these, whatever links to them, and commit."""
    frappe.db.rollback()
    for document in documents:
        frappe.delete_doc(document.doctype, document.name, force=True, ignore_permissions=True)
    frappe.db.commit()


def insert(doctype: str, **values: Any) -> Document:
    """A row of others, whatever it links to."""
    return frappe.get_doc({"doctype": doctype, **values}).insert(ignore_permissions=True, ignore_links=True)


def address(title: str, *links: dict[str, str]) -> Document:
    """An Address with these links: `{"link_doctype", "link_name"}` each."""
    place = {"address_type": "Billing", "address_line1": "x", "city": "x", "country": "Germany"}
    return insert("Address", address_title=title, **place, links=links)


def prepared_report(report: str, maker: str, filters: str = "{}") -> Document:
    """A finished Prepared Report of this user, whose one row holds SECRET."""
    made = insert("Prepared Report", report_name=report, filters=filters)
    made.db_set({"owner": maker, "status": "Completed"})  # Frappe makes each as Queued
    rows = gzip.compress(json.dumps({"columns": [{"label": "x", "fieldname": "x"}], "result": [[SECRET]]}).encode())
    about = {"attached_to_doctype": made.doctype, "attached_to_name": made.name}
    insert("File", file_name="x.json.gz", content=rows, is_private=1, **about)
    return made


def clients(web: str) -> dict[str, Client]:
    """Admins of Alpha, who see the rows about it, and of Beta."""
    roles = ("Dartwing Admin", "Desk User")
    return {
        "inside": Client(web).with_token(factory.user("step_inside", factory.ALPHA, roles=roles, org_role="Admin")),
        "outside": Client(web).with_token(factory.user("step_outside", factory.BETA, roles=roles, org_role="Admin")),
    }
