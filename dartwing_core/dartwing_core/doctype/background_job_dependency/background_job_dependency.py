from __future__ import annotations

import frappe

from dartwing_core.dartwing_core.guarded_document import EngineDocument
from dartwing_core.jobs.lib import config


class BackgroundJobDependency(EngineDocument):
    """One of several jobs that a background job depends on; written only by the engine."""


def on_doctype_update() -> None:
    """Indexes for the queries of `dartwing_core.jobs.job.backlog`: from the child, and from the parent."""
    frappe.db.add_index(config.DEPENDENCY, ["background_job", "depends_on"])
    frappe.db.add_index(config.DEPENDENCY, ["depends_on"])
