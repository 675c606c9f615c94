"""The app's own handlers through genuine workers, and the way from a job to its file over HTTP."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import frappe
import openpyxl
import pytest

from dartwing_core.jobs import get_job_status
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.run import context
from tests.support import factory, http, records
from tests.support.http import Client
from tests.support.jobs import submitted_by
from tests.support.receiver import Answer, Receiver
from tests.support.records import RECORD
from tests.support.waiting import until

PASSWORD = "correct-horse-battery"


pytestmark = pytest.mark.usefixtures("record_doctypes")


@pytest.fixture
def receiver(site: None) -> Iterator[Receiver]:
    """A receiver on the loopback address, which jobs may reach meanwhile."""
    server = Receiver()
    _allow_private(1)
    yield server
    _allow_private(0)
    server.close()


def _allow_private(value: int) -> None:
    frappe.db.rollback()
    frappe.db.set_single_value(config.SETTINGS, "allow_private_addresses", value)
    frappe.db.commit()
    frappe.clear_document_cache(config.SETTINGS, config.SETTINGS)


def ends_as(job, status: str, seconds: float = 30) -> dict:
    def now() -> dict | None:
        frappe.db.rollback()
        found = get_job_status(job.name)
        return found if found["status"] not in ("Pending", "Queued", "Running", "Failed") else None

    found = until(now, seconds, f"the end of {job.name}")
    assert found["status"] == status, found
    return found


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_an_export_can_be_downloaded_by_its_owner_and_by_nobody_else(workers, web, alice, bob, file_format):
    records.add(RECORD, *({"name": f"R{n:04}", "title": "=ü\n"} for n in range(3_000)))
    job = submitted_by(alice, "export_records", doctype=RECORD, fields=["name", "title"], file_format=file_format)
    status = ends_as(job, "Completed")
    assert status["progress_message"] == "3,000 of 3,000 rows"
    url = web + status["output_reference"]
    for user in (alice, bob):
        http.set_password(user, PASSWORD)

    answer = Client(web).log_in(alice, PASSWORD).http.get(url, timeout=30)
    assert answer.status_code == 200
    if file_format == "csv":
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    else:
        sheet = openpyxl.load_workbook(io.BytesIO(answer.content), read_only=True).active
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    assert rows[0] == ["ID", "Title"]
    assert [row[0] for row in rows[1:]] == [f"R{n:04}" for n in range(3_000)]
    assert {row[1] for row in rows[1:]} == {"'=ü\n"}

    assert Client(web).log_in(bob, PASSWORD).http.get(url, timeout=30).status_code == 404
    assert Client(web).http.get(url, timeout=30).status_code == 401


def test_an_export_that_may_not_be_is_dead_at_once_and_says_why(workers, alice):
    status = ends_as(submitted_by(alice, "export_records", doctype="Error Log"), "Dead Letter")
    assert status["error_message"] == "You are not allowed to export Error Log."
    assert status["retry_count"] == 0


def test_a_delivery_is_repeated_with_the_same_key_until_it_is_accepted(workers, receiver, alice):
    receiver.answers = [Answer(503, b"busy", (("Retry-After", "0"),)), Answer(200, b'{"id": 7}')]
    handler = "dartwing_core.handlers.http_request.http_request"
    job_type = factory.job_type("delivery", handler, retry_delays="0", max_retries=2)
    job = submitted_by(alice, job_type, url=receiver.url(path="/hook"), payload={"n": 1})
    status = ends_as(job, "Completed")
    assert status["attempt"] == 2
    assert status["result"]["body"] == {"id": 7}
    first, second = receiver.requests
    assert (first.body, first.path) == (second.body, second.path) == (b'{"n": 1}', "/hook")
    key = first.headers["Idempotency-Key"]
    assert key == second.headers["Idempotency-Key"] == context.key_of(job.name)
    assert job.name not in key


def test_a_delivery_to_a_private_address_is_refused_by_default(workers, receiver, alice):
    _allow_private(0)
    status = ends_as(submitted_by(alice, "http_request", url=receiver.url("localhost")), "Dead Letter")
    assert status["error_message"].startswith("localhost is or resolves to a private or reserved address")
    assert receiver.connections == 0
