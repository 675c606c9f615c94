from __future__ import annotations

import frappe

from dartwing_core.dartwing_core.guarded_document import EngineDocument, SealedDocument, sealed_field
from dartwing_core.jobs.lib import config


class BackgroundJobRun(EngineDocument, SealedDocument):
    """One attempt of a background job; written only by the engine."""

    log_lines = sealed_field("log_lines")
    traceback = sealed_field("traceback")
    state = sealed_field("state")
    cancel_reason = sealed_field("cancel_reason")
    input_parameters = sealed_field("input_parameters")


def on_doctype_update() -> None:
    """Index for `dartwing_core.jobs.job.circuits.tally`. Attempts that do not count have no `circuit_key`."""
    frappe.db.add_index(config.RUN, ["circuit_key", "circuit_epoch", "circuit_failure"])
