"""The forty jobs of the demo, and what is expected of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import frappe

from dartwing_core.jobs import JobStatus

from .receiver import expected_failures
from .scene import COMPANIES, Party

DELIVERIES = 18
TODO_FIELDS = ["status", "priority", "date", "description"]
CONTACT_FIELDS = ["full_name", "company_name", "email_id", "status"]


@dataclass(frozen=True, slots=True)
class Planned:
    """One job: what to submit, and how it should end."""

    label: str
    job_type: str
    parameters: dict[str, Any] = field(repr=False)
    ends: JobStatus = JobStatus.COMPLETED
    retries: int = 0
    """How many attempts fail before another one is made."""
    error: str | None = None
    """Part of the error text it ends with."""
    rows: int | None = None
    """Of an export: how many records its file should hold."""
    priority: str | None = None
    to_be_canceled: bool = False


def jobs(party: Party, receiver_url: str) -> list[Planned]:
    """All jobs that the user of `party` submits, in this order."""
    return [*_to_cancel(), *_samples(), *_deliveries(party, receiver_url), *_exports(party), *_echoes(), *_long()]


def _to_cancel() -> Iterator[Planned]:
    yield Planned(
        "long job, to be canceled",
        "long_running_job",
        {"duration": 60},
        ends=JobStatus.CANCELED,
        priority="High",  # Low is its default; High, so that there is something to cancel early on
        to_be_canceled=True,
    )


def _samples() -> Iterator[Planned]:
    transient = {"fail_type": "transient", "duration": 0.4}
    yield Planned(
        "sample, always fails",
        "sample_job",
        transient,
        ends=JobStatus.DEAD_LETTER,
        retries=3,
        error="Failed at 50 %",
    )
    yield Planned("sample, fails once", "sample_job", {**transient, "fail_attempts": 1}, retries=1)
    yield Planned("sample, fails twice", "sample_job", {**transient, "fail_attempts": 2}, retries=2)
    for percent in (20, 80):
        yield Planned(
            f"sample, fatal at {percent} %",
            "sample_job",
            {"fail_type": "permanent", "fail_at_progress": percent, "duration": 1},
            ends=JobStatus.DEAD_LETTER,
            error=f"Failed at {percent} %",
        )
    for seconds in (1, 2, 5):
        yield Planned(f"sample of {seconds} s", "sample_job", {"duration": seconds})


def _deliveries(party: Party, url: str) -> Iterator[Planned]:
    """Each delivers one contact; the receiver tells from its number whether and how to fail."""
    contacts = frappe.get_all(
        "Contact",
        filters={"owner": party.user},
        fields=["full_name", "email_id"],
        order_by="email_id asc",
        limit=DELIVERIES,
    )
    for number, contact in enumerate(contacts, 1):
        yield Planned(
            f"delivery {number}",
            "http_request",
            {"url": url, "method": "POST", "payload": {"number": number, **contact}},
            retries=expected_failures(number),
        )


def _exports(party: Party) -> Iterator[Planned]:
    todos = {"allocated_to": party.user}
    contacts = {"owner": party.user}
    for label, doctype, mine, filters, file_format in (
        ("export of ToDos as CSV", "ToDo", todos, {}, "csv"),
        ("export of open ToDos as CSV", "ToDo", todos, {"status": "Open"}, "csv"),
        ("export of urgent ToDos as XLSX", "ToDo", todos, {"status": "Open", "priority": "High"}, "xlsx"),
        ("export of ToDos of March as CSV", "ToDo", todos, {"date": ["between", ["2025-03-01", "2025-03-31"]]}, "csv"),
        ("export of Contacts as CSV", "Contact", contacts, {}, "csv"),
        ("export of Contacts as XLSX", "Contact", contacts, {}, "xlsx"),
        (f"export of {COMPANIES[0]} as CSV", "Contact", contacts, {"company_name": COMPANIES[0]}, "csv"),
        ("export of open Contacts as XLSX", "Contact", contacts, {"status": "Open"}, "xlsx"),
    ):
        fields, order = (TODO_FIELDS, "date asc") if doctype == "ToDo" else (CONTACT_FIELDS, "email_id asc")
        yield Planned(
            label,
            "export_records",
            {"doctype": doctype, "filters": filters, "fields": fields, "order_by": order, "file_format": file_format},
            # Counted here for the owner; the job counts on its owner's permissions instead.
            rows=frappe.db.count(doctype, {**filters, **mine}),
        )


def _echoes() -> Iterator[Planned]:
    for number in range(1, 5):
        yield Planned(f"echo {number}", "echo_job", {"say": f"Hello {number}"})


def _long() -> Iterator[Planned]:
    yield Planned("long job of 6 s", "long_running_job", {"duration": 6})
