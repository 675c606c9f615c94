"""Exports of the DocTypes of tests/support/records, and what is in their files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import frappe
from frappe.model.document import Document

from dartwing_core.handlers.export_records import ExportParameters, export_records
from dartwing_core.jobs import JobContext
from dartwing_core.jobs.job import job_files
from tests.support import factory
from tests.support.jobs import submitted_by
from tests.support.records import RECORD

HANDLER = "dartwing_core.handlers.export_records.export_records"


class Context(JobContext):
    """A context without a job, which remembers the messages and can be canceled after some of them."""

    def __init__(
        self, parameters: dict[str, Any], *, job_id: str = "JOB-TEST", attempt: int = 1, cancel_after: int | None = None
    ):
        super().__init__(
            job_id=job_id,
            job_type="test_export",
            organization=factory.ALPHA,
            parameters=parameters,
            timeout_seconds=300,
            attempt=attempt,
            owner_user=frappe.session.user,
        )
        self.messages: list[str | None] = []
        self.cancel_after = cancel_after

    def update_progress(self, percent: float, message: str | None = None, force: bool = False) -> None:
        """Note the message. Ask for an end after `cancel_after` of them."""
        super().update_progress(percent, message, force)
        self.messages.append(message)
        if len(self.messages) == self.cancel_after:
            self.cancel_requested.set()


def exported(context: Context) -> dict[str, Any]:
    """The result of an export with the context's parameters."""
    return export_records(context, ExportParameters(**context.parameters))


def export(doctype: str = RECORD, *, as_user: str | None = None, **parameters: Any) -> list[list[str]]:
    """Title and rows of a CSV export, in a transaction that is left open."""
    if as_user:
        frappe.set_user(as_user)
    result = exported(Context({"doctype": doctype, **parameters}))
    frappe.set_user("Administrator")
    rows = list(csv.reader(io.StringIO(content_of(result).decode("utf-8-sig"), newline="")))
    assert result["rows"] == len(rows) - 1
    return rows


def names(rows: list[list[str]]) -> list[str]:
    """The names of the records in an export."""
    return [row[0] for row in rows[1:]]


def path_of(result: dict[str, Any]) -> Path:
    """Where the file of this result lies, the latest of its name."""
    found = job_files.folder().glob(f"*/*/{result['file_name']}")
    return max(found, key=lambda path: path.stat().st_mtime_ns)


def content_of(result: dict[str, Any]) -> bytes:
    """What is in the file of this result."""
    return path_of(result).read_bytes()


def submitted(doctype: str = RECORD, *, user: str, **parameters: Any) -> Document:
    """A job of this user that exports."""
    job_type = "test_export" if frappe.db.exists("Job Type", "test_export") else factory.job_type("export", HANDLER)
    return submitted_by(user, job_type, doctype=doctype, **parameters)
