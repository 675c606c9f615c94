"""What the straight way missed is put right (regressions 19, 29, 30, 33)."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import frappe
import pytest

from dartwing_core.jobs import get_job_history, submit_job
from dartwing_core.jobs.job import find
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.status import JobStatus
from dartwing_core.jobs.sweep import sweeper
from tests.support import database, factory, processes
from tests.support.jobs import entries, set_columns, status, submitted_with
from tests.support.sessions import as_user
from tests.support.settings import settings


@pytest.fixture
def job_type() -> str:
    return factory.job_type("plain", max_retries=3)


def test_due_jobs_and_retries_are_queued_and_later_ones_stay(job_type):
    names = ("pending", "pending later", "failed", "timed out later")
    pending, later, failed, timed_out = (
        submitted_with(job_type, parameters={"n": name}, available_at=3600) for name in names
    )
    set_columns(failed, status="Failed", attempt=1, available_at="2020-01-01", due_epoch=1)
    set_columns(timed_out, status="Timed Out", attempt=1, available_at="2999-01-01", due_epoch=2 * 10**10)
    processes.queue_client().flushdb()
    assert sweeper.sweep().queued == 1
    assert entries() == {f"{failed.name[4:]}-2"}, "the entry is for the next attempt"
    set_columns(pending, available_at="2020-01-01", due_epoch=1)
    assert sweeper.sweep().queued == 1
    assert [status(job) for job in (pending, later, failed, timed_out)] == ["Queued", "Pending", "Queued", "Timed Out"]


def test_the_longest_due_come_first_in_batches(job_type):
    jobs = [submitted_with(job_type, parameters={"n": n}, available_at=3600) for n in range(4)]
    for number, job in enumerate(reversed(jobs)):
        set_columns(job, available_at=f"2020-01-0{number + 1}", due_epoch=number + 1)
    with settings(sweep_batch=2):
        assert sweeper.sweep().queued == 2
    assert [status(job) for job in jobs] == ["Pending", "Pending", "Queued", "Queued"]


def test_another_time_zone_of_the_site_moves_no_due_time(job_type, monkeypatch):
    # Seen failing: by the site's clock, a job came ten hours late on a site that went from Kolkata to New York.
    monkeypatch.setattr(clock, "site_zone", lambda: ZoneInfo("Asia/Kolkata"))
    job, later = (submitted_with(job_type, parameters={"n": n}, available_at=60 + 3600 * n) for n in (0, 1))
    for zone in ("America/New_York", "Europe/Berlin"):
        monkeypatch.setattr(clock, "site_zone", lambda zone=zone: ZoneInfo(zone))
        due = find.due(JobStatus.PENDING, job.due_epoch + 1, 10)
        assert due == [job.name], later
        assert find.due(JobStatus.PENDING, job.due_epoch - 1, 10) == []


def test_a_row_that_somebody_holds_keeps_no_other_job_waiting(job_type):
    # Broken by one UPDATE for the whole batch without SKIP LOCKED in `record.enter_line`: it fails each time.
    jobs = [submit_job(job_type, factory.ALPHA, {"n": n}, available_at=3600) for n in range(5)]
    frappe.db.sql("UPDATE `tabBackground Job` SET due_epoch = 1 WHERE job_type = %s", (job_type,))
    frappe.db.sql("commit")
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE `tabBackground Job` SET progress = 1 WHERE name = %s", (jobs[0].name,))
        assert sweeper.sweep().queued == 4
        cursor.execute("ROLLBACK")
    assert sweeper.sweep().queued == 1


def test_who_happens_to_sweep_is_not_named_in_the_history_of_others(job_type, bob):
    job = submit_job(job_type, factory.ALPHA, available_at=3600)
    parent = submit_job(job_type, factory.ALPHA, {"n": "parent"})
    child = submit_job(job_type, factory.ALPHA, {"n": "child"}, depends_on=parent.name)
    frappe.db.sql("UPDATE `tabBackground Job` SET due_epoch = 1 WHERE name = %s", (job.name,))
    frappe.db.sql("UPDATE `tabBackground Job` SET status = 'Dead Letter' WHERE name = %s", (parent.name,))
    frappe.db.sql("commit")
    as_user(bob, sweeper.sweep)
    for swept, reached in ((job, "Queued"), (child, "Dead Letter")):
        last = get_job_history(swept.name)["history"][-1]
        assert (last["to_status"], last["actor"]) == (reached, "Administrator")
        assert frappe.db.get_value("Background Job", swept.name, "modified_by") == "Administrator"
