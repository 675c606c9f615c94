"""What a Job Type decides of its attempts, and what holds up a claim."""

from __future__ import annotations

import time

import frappe
import pytest

from dartwing_core.jobs import executor
from tests.support import attempts, database, factory
from tests.support.jobs import run, submitted
from tests.support.lifecycle import made, notes
from tests.support.settings import settings

pytestmark = pytest.mark.usefixtures("no_sweep_in_between")


def test_a_type_may_retry_what_is_permanent_and_the_reverse():
    assert run(submitted(made("raises", retry_on="KeyError"), what="key"))["status"] == "Failed"
    status = run(submitted(made("raises", never_retry_on="ConnectionError"), what="connection"))
    assert (status["status"], status["error_type"]) == ("Dead Letter", "Permanent")
    with pytest.raises(frappe.ValidationError, match="not the name of an exception"):
        made("raises", retry_on="no name!")


@pytest.mark.parametrize(("cleanup", "rows"), [("write_row", 1), ("raises", 0)])
def test_the_clean_up_after_a_time_limit_is_best_effort(cleanup, rows, monkeypatch):
    job_type = made("nothing", timeout_handler_method=f"{factory.HANDLERS}.{cleanup}", max_retries=0)
    job = submitted(job_type, what="key")
    monkeypatch.setattr("dartwing_core.jobs.run.context.JobContext.remaining_seconds", lambda self: 0.0)
    assert run(job)["status"] == "Dead Letter"
    assert notes(job) == rows


def test_a_claim_does_not_wait_for_somebody_who_holds_the_row():
    job = submitted("echo_job")
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE", (job.name,))
        began = time.monotonic()
        executor.execute_job(job.name, 1)
        assert time.monotonic() - began < 10
        cursor.execute("ROLLBACK")
    assert run(job)["status"] == "Completed"


def test_a_queued_job_waits_when_all_jobs_are_paused():
    job = submitted("echo_job", paused=True)
    with settings(is_paused=1):
        status = run(job)
        assert (status["status"], status["attempt"]) == ("Queued", 0)
        assert status["waiting_reason"] == "All jobs are paused."
    assert attempts.run_all() == [job.name], "it goes on by itself"
