"""What a deploy does to jobs that run and wait: workers told to end, tables migrated, handlers renamed (R17)."""

from __future__ import annotations

import signal
import time

import frappe
import pytest
from frappe.model.sync import sync_for

from dartwing_core.install import after_migrate
from dartwing_core.jobs import get_job_status
from tests.support import database, factory, rows
from tests.support.fleet import Fleet
from tests.support.jobs import set_columns, status, submit_many, submitted
from tests.support.waiting import until

ATTEMPTS = "SELECT SUM(attempt) FROM `tabBackground Job` WHERE job_type = %s"
TABLES = ("Background Job", "Background Job Run", "Job Execution Log")


@pytest.fixture
def job_type() -> str:
    return factory.job_type("row", "write_row", max_retries=0)


@pytest.mark.timeout(900)
def test_workers_told_to_end_finish_their_job_and_take_no_other(fleet: Fleet, job_type, size):
    # RQ waits for the work-horse of a worker that is told once; nothing of the engine may get in its way.
    number, warnings = size(160, 600), size(4, 30)
    submit_many(job_type, number, seconds=0.05)
    given = 0
    last = 0

    def all_done() -> bool:
        nonlocal given, last, number
        fleet.hire(2)
        done = rows.in_status(job_type)
        if given < warnings and number - done < 40:  # a loaded machine warns more slowly than it works
            submit_many(job_type, 40, seconds=0.05)
            number += 40
        if given < warnings and done >= last + 6 and fleet.horses():
            fleet.workers[given % 2].signal((signal.SIGTERM, signal.SIGINT)[given % 2])
            given, last = given + 1, done
        return done == number

    until(all_done, size(180, 600), "all jobs")
    assert given == warnings
    assert database.value(ATTEMPTS, job_type) == number, "a warm shutdown costs no attempt"
    assert rows.each_ran_once(number)


def test_a_worker_told_twice_or_with_its_work_horse_costs_an_attempt_and_no_job(fleet: Fleet):
    # Seen failing (stuck in Running) without `rescue.sweep` in the sweep.
    job_type = factory.job_type("hanging", f"{factory.FAULTS}.first_hangs", max_retries=0)
    submit_many(job_type, 2, seconds=60)
    fleet.hire(2)
    cold, grouped = fleet.workers
    until(lambda: rows.in_status(job_type, "Running") == 2, 15, "two attempts")
    for horse in fleet.horses():
        if horse.ppid() == grouped.pid:
            horse.send_signal(signal.SIGTERM)
    grouped.signal(signal.SIGTERM)
    cold.signal(signal.SIGTERM)
    again = time.monotonic() + 1.2  # within a second RQ takes the second signal for an echo of the first
    until(lambda: time.monotonic() > again, 5, "a second")
    cold.signal(signal.SIGTERM)
    until(lambda: all(not worker.running for worker in (cold, grouped)), 15, "the end of both workers")
    fleet.hire(2)
    until(lambda: rows.in_status(job_type) == 2, 30, "both jobs")
    assert database.value(ATTEMPTS, job_type) == 4
    assert rows.each_ran_once(2)


@pytest.mark.timeout(300)
def test_a_migration_under_load_loses_no_job(fleet: Fleet, job_type, size):
    # Seen failing (jobs in Dead Letter, for they have no retries) without `TABLE_CHANGED` in `outcome.failure`.
    number = size(400, 800)
    fleet.hire(2)
    submit_many(job_type, number, seconds=0.05)
    until(lambda: rows.in_status(job_type) >= 5, 30, "the first jobs")
    sync_for("dartwing_core", force=True)
    after_migrate()
    frappe.db.commit()
    for table in TABLES:  # as a new column would: the table is rebuilt while workers write to it
        frappe.db.sql_ddl(f"ALTER TABLE `tab{table}` FORCE")
    frappe.clear_cache()
    assert rows.in_status(job_type) < number, "there was load all the time"
    until(lambda: fleet.hire(2) or rows.in_status(job_type) == number, 90, "all jobs")
    assert rows.each_ran_once(number)


def rename(job_type: str, path: str) -> None:
    """As a deploy does, behind the engine's back: nothing is checked."""
    frappe.db.set_value("Job Type", job_type, "handler_method", path)
    frappe.db.commit()
    frappe.clear_document_cache("Job Type", job_type)


def test_a_job_whose_handler_is_gone_says_so_and_goes_on_after_mending(fleet: Fleet):
    # Seen failing: a dead letter, without `find_to_run` in `Attempt._prepare`.
    job_type = factory.job_type("row", "write_row", max_retries=0)
    job = submitted(job_type)
    gone = f"{factory.HANDLERS}.write_row_of_last_year"
    rename(job_type, gone)
    fleet.hire(1)
    until(lambda: status(job) == "Failed", 20, "the first attempt")
    found = get_job_status(job.name)
    assert found["error_message"].startswith(f"{gone} can't be imported. Deploy it, restart the workers")
    moved = submitted(factory.job_type("other", "nothing"))
    until(lambda: status(moved) == "Completed", 20, "the worker's next job")
    rename(job_type, f"{factory.FAULTS}.first_hangs")
    set_columns(job, due_epoch=1)  # as after half a minute
    until(lambda: status(job) == "Completed", 20, "its next attempt")
    assert get_job_status(job.name)["retry_count"] == 0
    assert rows.each_ran_once(1)
