"""Workers that go on for a slice of time, killed or told to end in the middle of one.

The other tests of this folder kill them too; here jobs are so short that a process always has others behind it.
"""

from __future__ import annotations

import random
import time

import pytest

from tests.support import database, factory, rows
from tests.support.fleet import Fleet
from tests.support.jobs import submit_many
from tests.support.waiting import until
from tests.support.watch import Watch

CAP = 2
RUNNING = "SELECT COUNT(*) FROM `tabBackground Job` WHERE job_type = %s AND status = 'Running'"
PROCESSES = (
    "SELECT COUNT(DISTINCT l.worker) FROM `tabJob Execution Log` l JOIN `tabBackground Job` j"
    " ON j.name = l.background_job WHERE j.job_type = %s AND l.to_status = 'Running'"
)
LOST = (
    "SELECT COUNT(*) FROM `tabJob Execution Log` l JOIN `tabBackground Job` j ON j.name = l.background_job"
    " WHERE j.job_type = %s AND l.message LIKE 'Worker lost%%'"
)


class Jobs:
    """More and more jobs of some types; each takes `seconds` of its own."""

    def __init__(self, *job_types: str, seconds: float = 0.02):
        self.job_types, self.seconds, self.number = job_types, seconds, 0

    def submit(self, more: int) -> None:
        for job_type in self.job_types:
            submit_many(job_type, more // len(self.job_types), seconds=self.seconds)
        self.number += more

    def done(self) -> int:
        return sum(rows.in_status(job_type) for job_type in self.job_types)


def outlive_kills(fleet: Fleet, jobs: Jobs, kills: int, seconds: float) -> None:
    """Kill workers and work-horses while the jobs are done, and go on with new ones until so many kills were made."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice, next_kill = random.Random(seed), time.monotonic()

    def are_all_done() -> bool:
        nonlocal next_kill
        fleet.hire(4)
        if fleet.kills < kills and time.monotonic() > next_kill and fleet.kill_one(dice):
            next_kill = time.monotonic() + 0.3
        if fleet.kills < kills and jobs.number - jobs.done() < 100:  # they are quick
            jobs.submit(100)
        return fleet.kills >= kills and jobs.done() == jobs.number

    until(are_all_done, seconds, "all jobs")


@pytest.mark.timeout(1800)
def test_kills_in_the_middle_of_slices_lose_nothing_and_double_nothing(fleet: Fleet, size):
    job_type = factory.job_type("row", "write_row", max_retries=0)
    jobs = Jobs(job_type)
    jobs.submit(size(500, 2_000))
    outlive_kills(fleet, jobs, size(20, 60), size(240, 1_200))
    assert rows.each_ran_once(jobs.number)
    again = database.value("SELECT SUM(attempt) - COUNT(*) FROM `tabBackground Job` WHERE job_type = %s", job_type)
    assert again == database.value(LOST, job_type), "a job is made again for no other reason"
    assert again <= fleet.kills, "a process that dies takes the one job along that it was making"
    processes = database.value(PROCESSES, job_type)
    print(f"{jobs.number} jobs in {processes} processes, {again} lost")
    assert processes < jobs.number / 3, "they ran in slices"


@pytest.mark.timeout(1800)
def test_killed_slices_exceed_no_cap_and_leak_no_slot(fleet: Fleet, size):
    # Capped jobs are taken strictly, others along with a settle: both in one process, one after the other.
    capped = factory.job_type("row", "write_row", max_retries=0, max_concurrent=CAP)
    free = factory.job_type("free", "write_row", max_retries=0)
    jobs = Jobs(capped, free)
    jobs.submit(size(200, 1_000))
    with Watch(RUNNING, capped) as watch:
        outlive_kills(fleet, jobs, size(8, 40), size(240, 1_200))
    assert watch.looks > 100
    assert watch.most == CAP
    assert rows.each_ran_once(jobs.number)
