from __future__ import annotations

from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import cint

from dartwing_core.jobs.access import tenancy, visibility
from dartwing_core.jobs.after.after_commit import after_commit
from dartwing_core.jobs.errors import InvalidJobError
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.lib.texts import cut
from dartwing_core.jobs.line import queue_view
from dartwing_core.jobs.rq import redis_queue

MIN_LEASE_SECONDS = 5  # two beats of the heartbeat


class JobEngineSettings(Document):
    """Settings of the job engine; `dartwing_core.jobs.lib.config` reads them."""

    default_organization: str | None

    def save(self, *arguments: Any, **named: Any) -> Document:
        """Save the settings, with the Default Organization that the field gives by id or name."""
        self.default_organization = visibility.viewer().id_of(self.default_organization)
        return super().save(*arguments, **named)

    def validate(self) -> None:
        """Show defaults in place of empty numbers. Refuse a short lease and unknown queues."""
        for field in self.meta.fields:
            value = self.get(field.fieldname)
            is_off = field.fieldname == config.ZERO_IS_OFF and value not in (None, "")
            if field.fieldtype == "Int" and not cint(value) and not is_off:  # means the default, so show it
                self.set(field.fieldname, cint(field.default))
        if 0 < cint(self.lease_seconds) < MIN_LEASE_SECONDS:
            frappe.throw(_("Lost After must be at least {0} seconds.").format(MIN_LEASE_SECONDS))
        known = redis_queue.queue_names()
        unknown = sorted(config.parse_names(self.paused_queues) - set(known))
        if unknown:
            frappe.throw(_("There is no worker queue {0}. Use one of: {1}.").format(unknown[0], ", ".join(known)))

    def onload(self) -> None:
        """Tell the form whether to ask for an adoption."""
        self.set_onload("is_copy", config.Settings.of(self).pause_of_site() == config.COPY)

    @frappe.whitelist()
    def adopt(self) -> None:
        """Let jobs start on this site, which is a copy of another one. Checks the right to write."""
        self.home = config.home()
        self.save()

    def on_update(self) -> None:
        """Apply the settings at once, and wake workers for jobs that may start now."""
        visibility.forget()
        after_commit().add_once(queue_view.ring_for_line)  # jobs that it has stopped may start now


def set_default_organization(organization: str) -> str:
    """Make an organization, given by id or name, the default one. Returns its id. Does not commit.

    A new Organization is made if there is none of this name. For code of the site and the command line.
    Raises InvalidJobError if the adapter of an app knows none of this name.
    """
    found = tenancy.resolve(config.ENGINE, organization)
    if tenancy.limits_of([found])[found].state is None:
        if not tenancy.is_default():
            raise InvalidJobError(_("Organization {0} not found.").format(cut(organization)))
        made = frappe.get_doc({"doctype": tenancy.ORGANIZATION, "org_name": organization})
        found = str(made.insert(ignore_permissions=True).name)
    settings = frappe.get_doc(config.SETTINGS)
    settings.flags.ignore_links = True  # the adapter has found it, whatever the link leads to
    settings.default_organization = found
    settings.save(ignore_permissions=True)
    return found
