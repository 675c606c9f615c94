from __future__ import annotations

import frappe
from frappe import _
from frappe.utils import escape_html

from dartwing_core.dartwing_core.guarded_document import GuardedDocument
from dartwing_core.jobs.access import tenancy, visibility
from dartwing_core.jobs.after.after_commit import after_commit
from dartwing_core.jobs.lib import config, ids
from dartwing_core.jobs.line import queue_view
from dartwing_core.jobs.operations import organizations
from dartwing_core.jobs.status import LIVE

MAX_WEIGHT = 100


class Organization(GuardedDocument):
    """A tenant: jobs, limits and members belong to one. Its id is never used again; its name may be."""

    org_name: str
    weight: int | None

    def autoname(self) -> None:
        """Name the organization by a new id."""
        self.name = ids.new_name("ORG")

    def validate(self) -> None:
        """Refuse the id of another organization as a name, since both are used alike, and a weight out of range."""
        self.org_name = (self.org_name or "").strip()
        if self.org_name != self.name and frappe.db.exists("Organization", self.org_name):
            frappe.throw(_("Another organization has the ID {0}.").format(frappe.bold(escape_html(self.org_name))))
        self.weight = self.weight or 1
        if not 1 <= int(self.weight) <= MAX_WEIGHT:
            frappe.throw(_("Weight must be between {0} and {1}.").format(1, MAX_WEIGHT))

    def after_insert(self) -> None:
        """Clear the Default Organization when a second one comes: from then on a call has to say which it means.

        All users of Desk were its members. Those with unfinished jobs or schedules stay so. Who wants a default all the
        same sets it again.
        """
        settings = frappe.get_doc(config.SETTINGS)
        if settings.default_organization and tenancy.is_default() and frappe.db.count("Organization") == 2:
            _keep_members(settings.default_organization)
            settings.flags.ignore_validate = True  # of fields that are not its concern
            settings.update({"default_organization": None}).save(ignore_permissions=True)
            text = _("There is a second organization now, so none is the default. Add an Org Member for each user.")
            frappe.msgprint(text)

    def on_update(self) -> None:
        """Let the change count at once, and wake workers for jobs that may start now."""
        visibility.forget()
        after_commit().add_once(queue_view.ring_for_line)  # jobs that it has stopped may start now

    def on_trash(self) -> None:
        """Delete members before Frappe checks links and may refuse. `after_delete` ends the rest."""
        organizations.dismiss_members(self.name)

    def after_delete(self) -> None:
        """End all work of the organization, and say so."""
        organizations.end_work(self.name)
        name = frappe.bold(escape_html(self.org_name))
        frappe.msgprint(_("The jobs of {0} end now. They are deleted later, as all old jobs are.").format(name))


def _keep_members(organization: str) -> None:
    """Make those users members whose unfinished jobs or schedules would fail without a membership."""
    live = {"organization": organization, "status": ["in", [str(status) for status in LIVE]]}
    users = {*frappe.get_all(config.JOB, live, pluck="owner_user", distinct=True, order_by="owner_user")}
    users |= {*frappe.get_all(config.SCHEDULE, {"organization": organization}, pluck="owner_user")}
    members = frappe.get_all("Org Member", {"organization": organization}, pluck="user")
    for user in sorted(users.difference(members)):
        member = frappe.get_doc({"doctype": "Org Member", "organization": organization, "user": user})
        member.insert(ignore_permissions=True, ignore_links=True)
