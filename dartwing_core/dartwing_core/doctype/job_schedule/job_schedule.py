from __future__ import annotations

import frappe

from dartwing_core.dartwing_core.guarded_document import OrganizationsDocument
from dartwing_core.jobs.base import config, ids
from dartwing_core.jobs.schedules import schedule_form


class JobSchedule(OrganizationsDocument):
    """A recurring job. Admins of its organization write it, and the engine writes its state."""

    def autoname(self) -> None:
        self.name = ids.schedule_name()

    def validate(self) -> None:
        schedule_form.check(self)


def on_doctype_update() -> None:
    """Indexes for the queries of `dartwing_core.jobs.store.schedule_store` and `schedules`."""
    for fields in (["enabled", "look_at_epoch"], ["organization", "creation"], ["owner_user", "creation"]):
        frappe.db.add_index(config.SCHEDULE, fields)
