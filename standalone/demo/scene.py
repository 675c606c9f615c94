"""What the demo starts from: two companies with a user each, their ToDos, forty jobs, and a handler."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import frappe
from frappe.permissions import update_permission_property

from dartwing_core.jobs import JobContext, JobStatus, job_handler

DELIVERIES = 18
TODOS = 300
ALICE, BOB = "alice@harbor-books.example", "bob@alpine-tools.example"
COMPANIES = {ALICE: "Harbor Books", BOB: "Alpine Tools"}
LOST_AFTER = 5
"""Seconds without a sign of life after which a worker is taken for lost; 20 unless you set it."""


@job_handler("write_invoice", title="Invoice {number}", max_retries=0)
def write_invoice(context: JobContext, number: int) -> None:
    """Writes an invoice, and works on it for two seconds."""
    frappe.get_doc({"doctype": "ToDo", "description": f"Invoice {number}"}).insert(ignore_permissions=True)
    for step in range(1, 21):
        time.sleep(0.1)
        context.update_progress(5 * step, f"Page {step}")


def build() -> None:
    """Make the companies, their users and records, and commit. Retries come after a second, not after minutes."""
    for job_type in ("sample_job", "http_request"):
        frappe.get_doc("Job Type", job_type).update({"retry_delays": "1"}).save()
    frappe.get_doc("Job Engine Settings").update({"lease_seconds": LOST_AFTER, "allow_private_addresses": 1}).save()
    update_permission_property("ToDo", "All", 0, "export", 1)  # Frappe lets nobody but System Managers export
    for user, company in COMPANIES.items():
        _insert("Organization", org_name=company)
        person = frappe.get_doc(
            {"doctype": "User", "email": user, "first_name": user.partition("@")[0].title(), "send_welcome_email": 0}
        )
        person.append_roles("Dartwing User")
        person.insert()
        _insert("Org Member", organization=company, user=user, role="Member")
        now = frappe.utils.now_datetime()
        frappe.db.bulk_insert(
            "ToDo",
            ["name", "owner", "allocated_to", "creation", "modified", "status", "description"],
            [
                (frappe.generate_hash(), user, user, now, now, ("Open", "Closed")[number % 2], f"Send invoice {number}")
                for number in range(TODOS)
            ],
        )
    frappe.db.commit()


def _insert(doctype: str, **values: object) -> None:
    frappe.get_doc({"doctype": doctype, **values}).insert()


@dataclass(frozen=True, slots=True)
class Planned:
    """One of the forty jobs, and how it should end."""

    label: str
    job_type: str
    parameters: dict[str, Any]
    ends: JobStatus = JobStatus.COMPLETED
    retries: int = 0
    """How many attempts fail before another one is made."""
    priority: str | None = None


def jobs(receiver_url: str) -> Iterator[Planned]:
    """The forty jobs, in the order of their submit."""
    yield Planned("to be canceled", "long_running_job", {"duration": 60}, JobStatus.CANCELED, priority="High")
    fails = {"fail_type": "transient", "duration": 0.4}
    yield Planned("fails always", "sample_job", fails, JobStatus.DEAD_LETTER, retries=3)
    yield Planned("fails once", "sample_job", {**fails, "fail_attempts": 1}, retries=1)
    yield Planned("fails twice", "sample_job", {**fails, "fail_attempts": 2}, retries=2)
    fatal = {"fail_type": "permanent", "duration": 0.4}
    yield Planned("fails for good", "sample_job", fatal, JobStatus.DEAD_LETTER)
    for seconds in (0.5, 1, 2):
        yield Planned(f"takes {seconds} s", "sample_job", {"duration": seconds})
    for number in range(1, DELIVERIES + 1):
        delivery = {"url": receiver_url, "method": "POST", "payload": {"number": number}}
        yield Planned(f"delivery {number}", "http_request", delivery, retries=failures_of(number))
    for file_format in ("csv", "xlsx"):
        for status in ("Open", "Closed"):
            export = {"doctype": "ToDo", "fields": ["description", "status"], "filters": {"status": status}}
            yield Planned(f"export, {status}, {file_format}", "export_records", export | {"file_format": file_format})
    for number in range(1, 11):
        yield Planned(f"echo {number}", "echo_job", {"say": f"Hello {number}"})


def failures_of(number: int) -> int:
    """How often the receiver refuses a delivery: every third one once, and number 5 twice."""
    return 2 if number == 5 else int(number % 3 == 0)
