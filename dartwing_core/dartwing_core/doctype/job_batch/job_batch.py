from __future__ import annotations

import frappe
from frappe import _

from dartwing_core.dartwing_core.guarded_document import EngineDocument, SealedDocument
from dartwing_core.jobs.job import batch_store
from dartwing_core.jobs.lib import config, sql


class JobBatch(EngineDocument, SealedDocument):
    """Jobs that are watched, canceled and retried as a whole; written only by the engine."""

    def on_trash(self) -> None:
        """Refuse to delete a running batch."""
        # Not `self.status`: a retry may have just reopened the batch.
        if sql.latest(config.BATCH, self.name, "status") == batch_store.RUNNING:
            frappe.throw(_("Batch {0} is running. Cancel it before you delete it.").format(self.name))
