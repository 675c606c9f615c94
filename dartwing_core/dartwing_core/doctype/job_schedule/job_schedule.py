from __future__ import annotations

from typing import Any

import frappe

from dartwing_core.dartwing_core.guarded_document import OrganizationsDocument
from dartwing_core.jobs.base import config, ids
from dartwing_core.jobs.schedules import schedule_form


class JobSchedule(OrganizationsDocument):
    """A recurring job. Admins of its organization write it, and the engine writes its state."""

    organization: str | None

    def autoname(self) -> None:
        """Name the schedule by a new id."""
        self.name = ids.schedule_name()

    def insert(self, *arguments: Any, **named: Any) -> JobSchedule:
        """An empty organization is the default one. Frappe checks permissions and links before `before_insert`."""
        self.organization = self.organization or config.settings().default_organization
        inserted: JobSchedule = super().insert(*arguments, **named)
        return inserted

    def validate(self) -> None:
        """Check the fields, and fill in those that follow from others."""
        schedule_form.check(self)


def on_doctype_update() -> None:
    """Indexes for the queries of `dartwing_core.jobs.store.schedule_store` and `schedules`."""
    for fields in (["enabled", "look_at_epoch"], ["organization", "creation"], ["owner_user", "creation"]):
        frappe.db.add_index(config.SCHEDULE, fields)
