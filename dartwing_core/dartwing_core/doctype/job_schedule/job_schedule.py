from __future__ import annotations

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs import config, desk_access, ids, schedule_form


class JobSchedule(Document):
    """A job that recurs; written by the admins of its organization, its state by the engine."""

    def load_from_db(self):
        return desk_access.load_visible(self, super().load_from_db)

    def autoname(self) -> None:
        self.name = ids.schedule_name()

    def validate(self) -> None:
        schedule_form.check(self)

    def notify_update(self) -> None:
        """Nothing: Frappe would tell the name to everybody in the room of the DocType."""

    def before_rename(self, old: str, new: str, merge: bool = False) -> None:
        frappe.throw(_("A schedule can't be renamed; change its title."), frappe.PermissionError)

    def validate_share(self, docshare) -> None:
        frappe.throw(_("Schedules can't be shared."), frappe.PermissionError)


def on_doctype_update() -> None:
    """Indexes for the queries of `dartwing_core.jobs.schedule_store` and `schedules`."""
    for fields in (["enabled", "look_at_epoch"], ["organization", "creation"], ["owner_user", "creation"]):
        frappe.db.add_index(config.SCHEDULE, fields)
