"""Cancelling jobs that run in real workers (R13; regressions 15 and 16)."""

from __future__ import annotations

import time

import frappe
import pytest

from dartwing_core.jobs import cancel_job, get_job_history, submit_job
from dartwing_core.jobs.job import find, record
from dartwing_core.jobs.rq import doorbells, leader, redis_queue, rq_attempts
from dartwing_core.jobs.sweep import sweeper
from tests.support import factory, processes
from tests.support.fleet import Fleet
from tests.support.jobs import status, submitted
from tests.support.settings import settings
from tests.support.waiting import until


def running(job_type: str, **parameters):
    job = submitted(job_type, **parameters)
    until(lambda: status(job) == "Running", 15, "the start")
    return job


def deaf_job(fleet: Fleet, workers: int):
    """One that runs, and hears of no cancel."""
    job_type = factory.job_type("deaf", "deaf")
    fleet.hire(workers)
    return running(job_type, seconds=60)


def canceled(job) -> None:
    cancel_job(job.name, reason="enough")
    frappe.db.commit()


def test_a_handler_learns_of_it_within_two_seconds(fleet: Fleet):
    job_type = factory.job_type("slow", "slow")
    fleet.hire(1)
    job = running(job_type, seconds=60)
    canceled(job)
    asked = time.monotonic()
    until(lambda: status(job) == "Canceled", 10, "the cancel")
    assert time.monotonic() - asked < 3.5, "two seconds and the handler's own step"


def test_a_deaf_handler_is_ended_by_force_and_the_worker_goes_on(fleet: Fleet):
    with settings(cancel_grace_seconds=2):
        job = deaf_job(fleet, workers=1)
        canceled(job)
        until(lambda: status(job) == "Canceled", 15, "the forced stop")
        after = submit_job("echo_job", factory.ALPHA, {"after": "deaf"})
        frappe.db.commit()
        until(lambda: status(after) == "Completed", 15, "the same worker's next job")
    assert "by force" in get_job_history(job.name)["history"][-1]["message"]


def test_a_second_entry_of_its_attempt_does_not_keep_a_deaf_handler_going(fleet: Fleet):
    # Seen failing (Canceled, and still running) while both had one id: the second took RQ's record of it along.
    with settings(cancel_grace_seconds=2):
        job = deaf_job(fleet, workers=2)
        doorbells.ring_first({**find.load(job.name), "attempt": 0}, job.queue)
        until(lambda: len(processes.queue_client().keys("rq:job:*JOB-*")) == 1, 15, "the end of the second one")
        canceled(job)
        until(lambda: status(job) == "Canceled", 15, "the forced stop")
        until(lambda: not fleet.horses(), 10, "the end of the handler")


@pytest.mark.parametrize("dies", ["before the command", "before the row"])
def test_the_stop_of_a_deaf_handler_is_repeated_until_its_process_is_gone(monkeypatch, dies):
    # Seen failing: Canceled, and its process running to its time limit, if the sweeper dies before RQ's command.
    with settings(cancel_grace_seconds=1), Fleet(has_agent=False) as fleet:
        job = deaf_job(fleet, workers=1)
        canceled(job)
        lost: list[int] = []
        candidate = leader.Candidate()

        def sweep() -> bool:
            candidate.leads()  # or the worker, which is busy, might do it instead
            return bool(sweeper.sweep())

        until(candidate.leads, 15, "the lead")
        with monkeypatch.context() as patch:
            if dies == "before the command":
                patch.setattr(rq_attempts, "send_command", lambda *_, **_more: lost.append(1))
            else:
                patch.setattr(record.Job, "end", lambda *_, **_more: lost.append(1))
            until(lambda: sweep() and lost, 15, "the first sweep after the grace period")
        until(lambda: sweep() and not fleet.horses(), 15, "the end of the process")
        until(lambda: sweep() and status(job) == "Canceled", 15, "the end of the job")
        stopping = redis_queue.site_key(rq_attempts.STOPPING)
        until(lambda: sweep() and not processes.queue_client().exists(stopping), 15, "nothing left to stop")
        # Seen failing: told again while it cleared up, RQ's worker ended itself.
        assert all(worker.popen.poll() is None for worker in fleet.workers)
