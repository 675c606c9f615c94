"""What lies sealed in rows: read and written as nobody but the engine and a test does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import frappe

from dartwing_core.jobs.access import content

JOB, RUN = "Background Job", "Background Job Run"
TEXTS = {
    JOB: ("progress_message", "error_message", "output_reference", "job_key", "result"),
    RUN: ("progress_message", "error_message", "worker", "traceback"),
    "Job Execution Log": ("message", "worker"),
    "Job Batch": ("description", "cancel_reason"),
}
"""What those may write who submit a job or cancel one, and what its handler says."""


def stored(name: Any, field: str, doctype: str = JOB) -> Any:
    """A sealed field of a row, opened."""
    columns = content.columns([field])
    row = frappe.db.get_value(doctype, name, columns, as_dict=True)
    return content.opened(row)[field] if row else None


def parameters(name: str) -> Any:
    """The parameters of a job as its row holds them."""
    return json.loads(stored(name, "input_parameters"))


def opened_row(row: dict[str, Any]) -> dict[str, Any]:
    """A whole row with its sealed columns opened."""
    return content.opened(row)


def fill(doctype: str, job: str, batch: str, text: Callable[[str], str]) -> str:
    """Write a text into each field of TEXTS of this DocType's row about the job or its batch; the row's name."""
    filters = {JOB: {"name": job}, "Job Batch": {"name": batch}}.get(doctype, {"background_job": job})
    name = frappe.db.get_value(doctype, filters)
    store(name, {field: text(field) for field in TEXTS[doctype]}, doctype)
    frappe.db.commit()
    return name


def store(name: Any, values: dict[str, Any], doctype: str = JOB) -> None:
    """Write fields of a row, sealed where they are."""
    frappe.db.set_value(doctype, name, content.sealed(values))
