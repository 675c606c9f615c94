"""Jobs and batches through genuine Frappe workers, also through Frappe 16's, which do not fork."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import frappe
import psutil
import pytest

from dartwing_core.jobs import cancel_job, chain, get_job_history, get_job_status, group
from dartwing_core.jobs import job as part
from dartwing_core.jobs.rq import due_sites, redis_queue
from tests.support import database, factory, processes
from tests.support.fleet import Fleet
from tests.support.jobs import status, submitted, submitted_with
from tests.support.sessions import as_user, committed
from tests.support.settings import settings
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
    job = as_user(alice, submitted_with, job_type, parameters=parameters)
    status = wait_for(job)
    assert status["status"] == "Completed", status
    if job_type == "echo_job":
        assert status["result"] == {"echo": parameters}


def test_nothing_of_a_finished_job_stays_in_redis(workers):
    job = submitted_with("echo_job")
    wait_for(job)
    until(lambda: processes.queue_client().keys("rq:job:*JOB-*") == [], 10, "the entry's removal")


@pytest.mark.live
def test_jobs_in_one_process_end_properly_and_leave_nothing_to_each_other():
    # Seen failing: "exit" stays Running without `except BaseException` in `Attempt.run`.
    leaves, look = (factory.job_type(name, f"{factory.REMAINS}.{name}", max_retries=0) for name in ("leaves", "looks"))
    exits, late = factory.job_type("exits", "raises"), factory.job_type("late", "quiet", default_timeout=1)
    looks = [submitted(look, n=0)]
    ends = []
    for job_type, parameters, end in (
        (leaves, {"what": "user", "fails": False}, "Completed"),
        (leaves, {"what": "callbacks", "fails": True}, "Dead Letter"),
        (exits, {"what": "exit"}, "Failed"),
        (late, {"seconds": 30}, "Timed Out"),
    ):
        ends.append((submitted(job_type, **parameters), end))
        looks.append(submitted(look, n=len(looks)))
    worker = processes.Process("simple-worker", [sys.executable, "-P", "-m", "tests.support.simple_worker"])
    assert worker.wait(60) == 0, worker.tail()
    frappe.db.rollback()
    for job, end in ends:
        assert get_job_status(job.name)["status"] == end, job.job_type
    found = [get_job_status(job.name)["result"] for job in looks]
    assert found[0]
    assert found == [found[0]] * len(looks)


def test_a_batch_goes_from_rest_through_workers_to_its_callback(client, workers):
    gives, gather, told = (factory.job_type(name, name) for name in ("gives", "gather", "told"))
    parts = [part(gives, {"value": n}, key=str(n)) for n in range(3)]
    jobs = [chain(group(*parts), part(gather, {"keys": ["1"]}, key="sum"))]
    answer = client.post("submit_batch", organization=factory.ALPHA, jobs=jobs, on_success=part(told), description="x")
    assert answer.status_code == 200, answer.text
    submitted = answer.json()["message"]
    assert (submitted["status"], submitted["size"]) == ("Running", 4)

    def ended() -> dict[str, Any] | None:
        status = client.get("get_batch_status", batch_id=submitted["batch_id"]).json()["message"]
        return status if status["status"] != "Running" else None

    status = until(ended, 60, "the end of the batch")
    assert (status["status"], status["progress"]) == ("Completed", 100)
    assert status["job_count_by_status"] == {"Completed": 4}
    listed = client.get("list_jobs", batch=submitted["batch_id"]).json()["message"]["jobs"]
    (last,) = [row["job_id"] for row in listed if row["job_type"] == gather]
    found = client.get("get_job_status", job_id=last).json()["message"]
    assert found["key"] == "sum"
    assert (len(found["parents"]), found["result"]["by_key"]) == (3, [{"value": 1}])

    def callback() -> dict[str, Any] | None:
        found = client.get("get_job_status", job_id=status["on_success_job"]).json()["message"]
        return found if found["status"] == "Completed" else None

    assert until(callback, 60, "the callback")["result"]["batch_id"] == submitted["batch_id"]


# What the jobs of one process share is the process, and nothing else -------------------------------------------------


ENTRY = "SELECT rq_job_id FROM `tabBackground Job` WHERE name = %s"


@pytest.fixture
def fleet(site: None) -> Iterator[Fleet]:
    """Workers to be started when jobs are in line, which they take in one long slice then; and the agent."""
    with settings(slice_seconds=60), Fleet() as crew:
        yield crew


def made(name: str, handler: str = "tells_process", **values: Any) -> str:
    return factory.job_type(name, f"{factory.REMAINS}.{handler}", **values)


def all_ended(*jobs) -> None:
    for job in jobs:
        until(lambda job=job: status(job) not in ("Pending", "Queued", "Running"), 30, f"the end of {job.name}")


def starts(job) -> list[dict[str, Any]]:
    return [event for event in get_job_history(job.name)["history"] if event["to_status"] == "Running"]


def process(job) -> int:
    """In which process its last attempt ran."""
    return int(starts(job)[-1]["worker"].rpartition(":")[2])


def test_a_job_that_may_be_tried_again_at_once_waits_for_no_sweep(site):
    # Seen failing (in test_jobs_in_workers, now and then: Failed for a minute): another worker had just swept.
    due_sites.of_bench().lead("somebody who does nothing")
    with Fleet(has_agent=False) as crew:
        planned = factory.job_type("planned", "scripted", retry_delays="0", max_retries=1)
        job = submitted(planned, plan=["fail", "ok"])
        crew.hire(1)
        until(lambda: status(job) == "Completed", 10, "the second attempt")


def test_a_job_whose_limit_is_longer_than_the_entrys_runs_next(fleet: Fleet):
    # Seen failing: its own queue got its entry. RQ took those of an earlier queue for ever, and no job ran.
    patient = made("patient", default_timeout=1_500, queue="long")
    brief = made("brief", default_timeout=300, queue="default")
    jobs = [submitted(patient, n=1), submitted(brief, n=1), submitted(patient, n=2), submitted(brief, n=2)]
    others = frappe.enqueue("frappe.utils.background_jobs.get_queue_list", queue="long")
    fleet.hire(1)
    all_ended(*jobs)
    until(lambda: others.get_status(refresh=True) in (None, "finished"), 15, "the job of another app")
    made_entries = processes.queue_client().llen(redis_queue.list_key("long"))
    assert made_entries <= len(jobs), "each process has left at most one"


def test_a_deaf_job_in_a_slice_is_ended_by_force_and_no_other_is_hurt(fleet: Fleet):
    # The process is stopped by the entry that it runs under, which names a job that has long ended.
    short, slow, deaf = made("short"), made("slow"), factory.job_type("deaf", "quiet")
    with settings(cancel_grace_seconds=1):
        before, job = submitted(short, n=1), submitted(deaf, seconds=60)
        fleet.hire(1)
        until(lambda: status(job) == "Running", 15, "the deaf one's start")
        beside = submitted(slow, seconds=8)
        fleet.hire(2)
        until(lambda: status(beside) == "Running", 15, "the start of another")
        after = submitted(short, n=2)
        committed(cancel_job, job.name, reason="enough")
        until(lambda: status(job) == "Canceled", 20, "the forced end")
        deaf_process = process(job)
        until(lambda: not is_alive(deaf_process), 10, "the end of its process")
        all_ended(beside, after)
    assert process(before) == deaf_process
    assert before.name in database.value(ENTRY, job.name)
    assert "by force" in get_job_history(job.name)["history"][-1]["message"]
    assert [(status(each), len(starts(each))) for each in (before, beside, after)] == [("Completed", 1)] * 3
    assert all(worker.running for worker in fleet.workers)


def is_alive(pid: int) -> bool:
    return pid != os.getpid() and psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
