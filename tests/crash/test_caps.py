"""Running caps under kills: never exceeded at any observed moment, and no slot is lost."""

from __future__ import annotations

import random
import time

import frappe
import pytest

from dartwing_core.jobs import submit_jobs
from tests.support import database, factory
from tests.support.fleet import Fleet
from tests.support.waiting import until
from tests.support.watch import Watch

CAP = 2
RUNNING = "SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Running' AND job_type = %s"


@pytest.mark.timeout(1800)
def test_killed_workers_exceed_no_cap_and_leak_no_slot(fleet: Fleet, size):
    number, kills = 0, size(6, 40)
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    job_type = factory.job_type("row", "write_row", max_retries=0, max_concurrent=CAP)

    def submit(more: int) -> None:
        nonlocal number
        parameters = ({"seconds": dice.random() * 0.3, "n": n} for n in range(number, number + more))
        submit_jobs({"job_type": job_type, "organization": factory.ALPHA, "parameters": each} for each in parameters)
        frappe.db.commit()
        number += more

    submit(size(60, 400))
    next_kill = time.monotonic()

    def all_done() -> bool:
        nonlocal next_kill
        fleet.hire(4)
        if fleet.kills < kills and time.monotonic() > next_kill and fleet.kill_one(dice):
            next_kill = time.monotonic() + 1
        done = "SELECT COUNT(*) FROM `tabBackground Job` WHERE job_type = %s AND status = 'Completed'"
        if database.value(done, job_type) < number:
            return False
        if fleet.kills < kills:  # on a busy machine jobs end while a new worker starts
            submit(10)
        return fleet.kills >= kills

    with Watch(RUNNING, job_type) as watch:
        until(all_done, size(240, 1500), "all jobs")
    assert watch.looks > 100
    assert watch.most == CAP
