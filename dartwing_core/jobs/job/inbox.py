"""Notices behind Frappe's bell: the Notification Log."""

from __future__ import annotations

from typing import Any

import frappe

LOG = "Notification Log"


def add_notice(user: str, subject: str, **values: Any) -> None:
    """Leave a notice with this subject (HTML) for a user. Does not commit."""
    kind = {"doctype": LOG, "type": "Alert", "for_user": user}
    notice = frappe.get_doc({**kind, "subject": subject, **values})
    notice.flags.notify_update = False  # else Frappe tells all users with an open list of notices
    notice.insert(ignore_permissions=True)
    # Frappe writes and shows the user who is logged in: in a sweep, perhaps one of another organization.
    frappe.db.set_value(LOG, notice.name, {"owner": user, "modified_by": user}, update_modified=False)
