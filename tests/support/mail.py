"""A default outgoing Email Account, so that e-mails are queued; none is sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import frappe

ACCOUNT = "Test Outgoing"


@contextmanager
def outgoing_account() -> Iterator[None]:
    """While the block runs; committed. The site's own account is the default again after it."""
    values = {"email_id": "jobs@example.com", "enable_outgoing": 1, "default_outgoing": 1, "smtp_server": "localhost"}
    others = frappe.get_all("Email Account", filters={"default_outgoing": 1, "name": ["!=", ACCOUNT]}, pluck="name")
    _set_default(others, 0)
    frappe.delete_doc("Email Account", ACCOUNT, force=True, ignore_missing=True)  # a killed run leaves it
    document = frappe.get_doc({"doctype": "Email Account", "email_account_name": ACCOUNT, "password": "x", **values})
    document.flags.ignore_validate = True
    document.insert(ignore_permissions=True, ignore_mandatory=True)
    frappe.db.commit()
    try:
        yield
    finally:
        frappe.db.rollback()
        frappe.delete_doc("Email Account", ACCOUNT, force=True)
        _set_default(others, 1)
        frappe.db.commit()


def _set_default(accounts: list[str], value: int) -> None:
    for name in accounts:
        frappe.db.set_value("Email Account", name, "default_outgoing", value)
