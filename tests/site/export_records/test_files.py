"""The file of an export, and the log of it."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import get_job_details
from tests.support import database, files, records
from tests.support.exports import Context, exported, submitted
from tests.support.jobs import run
from tests.support.records import RECORD

pytestmark = pytest.mark.usefixtures("record_doctypes")


def test_a_completed_job_has_its_file_and_the_export_is_logged(alice):
    records.add(RECORD, {"name": "A"}, {"name": "B"})
    job = submitted(user=alice)
    status = run(job)
    assert status["status"] == "Completed", status
    (file,) = get_job_details(job.name)["files"]
    assert file["name"] == f"Test-Export-Record-{job.name}-1.csv"
    assert file["size"] == files.on_disk(job)[0].stat().st_size
    assert status["output_reference"] == status["output_url"] == file["file_url"]
    assert status["result"] == {
        "output_reference": file["file_url"],
        "rows": 2,
        "doctype": RECORD,
        "file_name": file["name"],
    }
    assert frappe.get_all("Access Log", {"export_from": RECORD}, ["user", "file_type"]) == [
        {"user": alice, "file_type": "CSV"}
    ]


def test_the_handler_neither_commits_nor_touches_the_job_row(alice):
    records.add(RECORD, {"name": "A"})
    job = submitted(user=alice)
    frappe.db.rollback()
    frappe.set_user(alice)
    exported(Context({"doctype": RECORD}, job_id=job.name))
    assert not database.value("SELECT name FROM `tabAccess Log` WHERE export_from = %s", RECORD)
    with database.another_connection() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE NOWAIT", (job.name,))
        assert cursor.fetchone()
