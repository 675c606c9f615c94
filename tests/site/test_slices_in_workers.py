"""A worker's process takes one job after the other: what they share is the process, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import frappe
import psutil
import pytest

from dartwing_core.jobs import cancel_job, get_job_history
from dartwing_core.jobs.rq import leader, redis_queue
from tests.support import database, factory, processes
from tests.support.fleet import Fleet
from tests.support.jobs import status, submitted
from tests.support.settings import settings
from tests.support.waiting import until

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
    processes.queue_client().set(redis_queue.site_key(leader.LEADER), "somebody who does nothing")
    with Fleet(has_agent=False) as crew:
        planned = factory.job_type("planned", "planned", retry_delays="0", max_retries=1)
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
        cancel_job(job.name, reason="enough")
        frappe.db.commit()
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
