from __future__ import annotations

import frappe
from frappe import _

from dartwing_core.dartwing_core.guarded_document import EngineDocument, SealedDocument
from dartwing_core.jobs.job import batch_store, dependencies, job_files
from dartwing_core.jobs.lib import config, sql
from dartwing_core.jobs.status import FINISHED, JobStatus, word_of
from dartwing_core.jobs.sweep import retention


class BackgroundJob(EngineDocument, SealedDocument):
    """One unit of work; written only by the engine."""

    @staticmethod
    def clear_old_logs(days: int = 30) -> None:
        """Hook of Frappe's Log Settings."""
        retention.clear_old_jobs(days)

    def onload(self) -> None:
        """Hook of Frappe's, when a form is loaded: without a title, the job goes by its type and the end of its id."""
        self.set("job_title", self.get("job_title") or f"{self.job_type} {self.name[-6:]}")

    def on_trash(self) -> None:
        """Refuse to delete a job that is not over, or that an unfinished batch or job needs."""
        status = sql.latest(config.JOB, self.name, "status") or self.status  # a retry may have just been committed
        if status not in FINISHED:
            frappe.throw(_("Job {0} is {1}. Cancel it before you delete it.").format(self.name, word_of(status)))
        if frappe.db.get_value(config.BATCH, self.parent_batch, "status") == batch_store.RUNNING:
            text = _("Job {1} belongs to batch {0}, which is still running.")
            frappe.throw(text.format(self.parent_batch, self.name))
        if waiting := dependencies.awaited_by(self.name, status):
            text = _("Job {0} depends on job {1} and has not finished. Cancel it first, or wait until it has finished.")
            frappe.throw(text.format(waiting, self.name))
        if status == JobStatus.COMPLETED:
            dependencies.forget([self.name])
        retention.delete_history([self.name])
        job_files.delete_after_commit([self.name])
