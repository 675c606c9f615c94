"""Jobs through genuine Frappe workers, also through Frappe 16's, which do not fork."""

from __future__ import annotations

import sys
import time

import frappe
import pytest

from dartwing_core.jobs import get_job_status, run_now
from tests.support import database, factory, processes
from tests.support.jobs import submitted, submitted_with
from tests.support.waiting import until


def ended(job_id: str) -> dict | None:
    frappe.db.rollback()
    status = get_job_status(job_id)
    return status if status["status"] not in ("Pending", "Queued", "Running") else None


def wait_for(job, seconds: float = 30) -> dict:
    return until(lambda: ended(job.name), seconds, f"the end of {job.name}")


@pytest.mark.parametrize(
    ("job_type", "parameters"),
    [("echo_job", {"text": "ü"}), ("sample_job", {"duration": 0.2}), ("long_running_job", {"duration": 0.1})],
)
def test_each_sample_type_completes(workers, alice, job_type, parameters):
    frappe.set_user(alice)
    job = submitted_with(job_type, parameters=parameters)
    frappe.set_user("Administrator")
    status = wait_for(job)
    assert status["status"] == "Completed", status
    if job_type == "echo_job":
        assert status["result"] == {"echo": parameters}


def test_a_job_that_is_to_run_now_starts_within_a_second(workers):
    # Seen failing (a minute later) in the engine before this one, without the pass after the commit of `run_now`.
    job = submitted_with("echo_job", parameters={"n": 1}, available_at=3_600)
    begun = time.monotonic()
    run_now(job.name)
    frappe.db.commit()
    until(lambda: database.value("SELECT attempt FROM `tabBackground Job` WHERE name = %s", job.name), 5)
    assert time.monotonic() - begun < 1
    assert wait_for(job)["status"] == "Completed"


def test_nothing_of_a_finished_job_stays_in_redis(workers):
    job = submitted_with("echo_job")
    wait_for(job)
    until(lambda: processes.queue_client().keys("rq:job:*JOB-*") == [], 10, "the entry's removal")


@pytest.mark.live
def test_jobs_in_one_process_end_properly_and_leave_nothing_to_each_other():
    # Seen failing: "exit" stays Running without `except BaseException` in `Attempt.make`.
    leaves, look = (factory.job_type(name, f"{factory.REMAINS}.{name}", max_retries=0) for name in ("leaves", "looks"))
    exits, late = factory.job_type("exits", "raises"), factory.job_type("late", "quiet", default_timeout=1)
    looks = [submitted(look, n=0)]
    ends = []
    for job_type, parameters, status in (
        (leaves, {"what": "user", "fails": False}, "Completed"),
        (leaves, {"what": "callbacks", "fails": True}, "Dead Letter"),
        (exits, {"what": "exit"}, "Failed"),
        (late, {"seconds": 30}, "Timed Out"),
    ):
        ends.append((submitted(job_type, **parameters), status))
        looks.append(submitted(look, n=len(looks)))
    worker = processes.Process("simple-worker", [sys.executable, "-P", "-m", "tests.support.simple_worker"])
    assert worker.wait(60) == 0, worker.tail()
    frappe.db.rollback()
    for job, status in ends:
        assert get_job_status(job.name)["status"] == status, job.job_type
    found = [get_job_status(job.name)["result"] for job in looks]
    assert found[0]
    assert found == [found[0]] * len(looks)
