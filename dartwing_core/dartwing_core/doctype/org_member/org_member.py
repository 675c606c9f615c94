from __future__ import annotations

import frappe
from frappe import _
from frappe.utils import escape_html

from dartwing_core.dartwing_core.guarded_document import OrganizationsDocument
from dartwing_core.jobs.access import tenancy, visibility


class OrgMember(OrganizationsDocument):
    """Membership of a user in an organization."""

    def validate(self) -> None:
        """Refuse dates in the wrong order, and a second membership, whose error of the index names the user alone."""
        self.validate_from_to_dates("start_date", "end_date")
        others = {"organization": self.organization, "user": self.user, "name": ["!=", self.name]}
        if frappe.db.exists("Org Member", others):
            name = tenancy.name_of(self.organization)
            frappe.throw(_("{0} is already a member of {1}.").format(self.user, escape_html(name)))

    def on_update(self) -> None:
        """Let the change count at once within this request."""
        visibility.forget()

    on_trash = on_update
