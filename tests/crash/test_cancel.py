"""Cancelling jobs that run in real workers (R13; regressions 15 and 16)."""

from __future__ import annotations

import time

import frappe

from dartwing_core.jobs import cancel_job
from dartwing_core.jobs.job import find
from dartwing_core.jobs.rq import doorbells
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
    job_type = factory.job_type("deaf", "quiet")
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


def test_a_second_entry_of_its_attempt_does_not_keep_a_deaf_handler_going(fleet: Fleet):
    # Seen failing (Canceled, and still running) while both had one id: the second took RQ's record of it along.
    with settings(cancel_grace_seconds=2):
        job = deaf_job(fleet, workers=2)
        doorbells.ring_first({**find.load(job.name), "attempt": 0}, job.queue)
        until(lambda: len(processes.queue_client().keys("rq:job:*JOB-*")) == 1, 15, "the end of the second one")
        canceled(job)
        until(lambda: status(job) == "Canceled", 15, "the forced stop")
        until(lambda: not fleet.horses(), 10, "the end of the handler")
