"""What is being deleted, or can't be, keeps nobody else waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import frappe
import pytest

from dartwing_core.jobs import batch, retry_batch, retry_job, submit_job
from dartwing_core.jobs import job as part
from dartwing_core.jobs.job import history, runs
from dartwing_core.jobs.status import JobStatus
from dartwing_core.jobs.sweep import retention
from tests.support import database, factory
from tests.support.jobs import run, set_columns, submitted
from tests.support.sessions import Meanwhile, committed, in_parallel

pytestmark = pytest.mark.usefixtures("site", "no_sweeps")


def submit_to_beta() -> float:
    """Another tenant submits, and the attempt begins to beat. Returns the seconds that it took."""
    frappe.db.sql("SET innodb_lock_wait_timeout = 3")
    began = time.monotonic()
    job = submit_job("test_plain", factory.BETA)
    committed(runs.write, f"{job.name}-1", {"background_job": job.name, "attempt": 1})
    return time.monotonic() - began


def assert_no_submit_waits() -> None:
    """Another tenant submits beside this open transaction, which is rolled back then."""
    (took,) = in_parallel([submit_to_beta])
    frappe.db.rollback()
    assert isinstance(took, float), took
    assert took < 2


OPERATIONS: dict[str, Callable[[str], object]] = {
    "delete": lambda name: frappe.delete_doc("Background Job", name),
    "retry": lambda name: retry_job(name, {"n": 1}),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_open_operation_on_a_job_keeps_no_submit_and_no_heartbeat_waiting(operation):
    # Seen failing: the gap behind the job's history was locked, and there all new jobs write theirs; and the gap for
    # the rows of newer attempts: the heartbeat waited longer than its lease, and the job ran twice.
    job = submitted(factory.job_type("plain"))
    run(job)
    set_columns(job, status="Dead Letter")
    OPERATIONS[operation](job.name)
    assert_no_submit_waits()


def test_a_row_that_somebody_keeps_locked_keeps_no_clean_up_waiting(frappes_jobs_at_once):
    # Seen failing: it waited three times the server's 50 seconds, and other tenants' submits with it.
    job = submitted(factory.job_type("plain"))
    run(job)
    about = {"reference_doctype": "Background Job", "reference_name": job.name}
    comment = frappe.get_doc({"doctype": "Comment", "comment_type": "Info", "content": "x", **about}).insert()
    long_ago = "creation = '2020-01-01', modified = '2020-01-01', dedup_until = NULL"
    committed(frappe.db.sql, f"UPDATE `tabBackground Job` SET {long_ago} WHERE name = %s", job.name)
    with database.another_connection() as person, person.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE `tabComment` SET modified = NOW() WHERE name = %s", (comment.name,))
        began = time.monotonic()
        clean_up = Meanwhile(partial(retention.clear_old_jobs, 30))
        assert submit_to_beta() < 2
        clean_up.answer()
        assert time.monotonic() - began < 10
        cursor.execute("ROLLBACK")
    frappe.db.rollback()
    assert frappe.db.exists("Background Job", job.name)
    retention.clear_old_jobs(30)
    assert not frappe.db.exists("Background Job", job.name)
    assert not frappe.db.exists("Comment", comment.name)


MANY = 1_100
"""MariaDB joins so many names to a scan of the whole table, unless it is told not to."""


def test_an_open_deletion_of_many_rows_keeps_no_submit_waiting():
    # Seen failing: all rows and gaps of the history were locked, and those of running jobs' attempts.
    job = submitted(factory.job_type("plain"))
    run(job)
    events = [
        history.event_of(job.as_dict(), None, JobStatus.PENDING, "test", "Administrator") for _number in range(MANY)
    ]
    history.write(events)
    frappe.db.commit()
    frappe.delete_doc("Background Job", job.name)
    assert_no_submit_waits()


def test_an_open_retry_of_many_jobs_keeps_no_submit_waiting():
    # Seen failing: at a thousand names, the rows of all jobs were locked.
    factory.job_type("plain")
    failing = factory.job_type("dead", "fails_with", max_retries=0)
    found = batch(*(part(failing, {"message": "x", "n": n}) for n in range(MANY))).submit(factory.ALPHA)
    frappe.db.sql("UPDATE `tabBackground Job` SET status = 'Dead Letter', in_line = 0 WHERE job_type = %s", (failing,))
    committed(frappe.db.set_value, "Job Batch", found.name, "status", "Failed")
    assert retry_batch(found.name)["retried"] == MANY
    assert_no_submit_waits()
