from __future__ import annotations

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs import batch_store, config, desk_access, sql


class JobBatch(Document):
    """Jobs that are watched, canceled and retried as a whole; written by the engine alone."""

    def load_from_db(self):
        return desk_access.load_visible(self, super().load_from_db)

    def validate(self) -> None:
        frappe.throw(_("Batches are made and changed by the job engine only."), frappe.PermissionError)

    def notify_update(self) -> None:
        """Nothing: Frappe would tell the name to everybody in the room of the DocType."""

    def before_rename(self, old: str, new: str, merge: bool = False) -> None:
        frappe.throw(_("A batch can't be renamed."), frappe.PermissionError)

    def validate_share(self, docshare) -> None:
        frappe.throw(_("Batches can't be shared."), frappe.PermissionError)

    def on_trash(self) -> None:
        # Not `self.status`: a retry may just have opened it again.
        if sql.latest(config.BATCH, self.name, "status") == batch_store.RUNNING:
            frappe.throw(_("Batch {0} is running. Cancel it before you delete it.").format(self.name))


def on_doctype_update() -> None:
    """Indexes for the queries of `dartwing_core.jobs.batch_store`, `batches` and `retention`."""
    for fields in (["status"], ["status", "completed_at"], ["organization", "creation"], ["owner_user", "creation"]):
        frappe.db.add_index(config.BATCH, fields)
