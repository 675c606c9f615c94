"""Running caps under kills: never exceeded at any observed moment, and no slot is lost."""

from __future__ import annotations

import random
import threading
import time

import frappe
import pytest

from dartwing_core.jobs import sql, submit_jobs
from tests.support import database, factory
from tests.support.fleet import Fleet
from tests.support.waiting import until

CAP = 2


class Watch(threading.Thread):
    """Looks at how many jobs are running, again and again."""

    def __init__(self, job_type: str):
        super().__init__(daemon=True)
        self.most = self.looks = 0
        self.is_over = False
        self._pause = threading.Event()
        self._query = (
            "SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Running' AND job_type = %s",
            (job_type,),
        )
        self._connect = sql.connector()

    def run(self) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            while not self.is_over:
                cursor.execute(*self._query)
                self.most = max(self.most, cursor.fetchone()[0])
                self.looks += 1
                self._pause.wait(0.002)


@pytest.mark.timeout(1800)
def test_killed_workers_exceed_no_cap_and_leak_no_slot(fleet: Fleet, size):
    number, kills = size(60, 400), size(6, 40)
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    job_type = factory.job_type("row", "write_row", max_retries=0, max_concurrent=CAP)
    frappe.db.commit()
    watch = Watch(job_type)
    watch.start()
    submit_jobs(
        {"job_type": job_type, "organization": factory.ALPHA, "parameters": {"seconds": dice.random() * 0.3, "n": n}}
        for n in range(number)
    )
    frappe.db.commit()
    next_kill = time.monotonic()

    def all_done() -> bool:
        nonlocal next_kill
        fleet.hire(4)
        if fleet.kills < kills and time.monotonic() > next_kill and fleet.kill_one(dice):
            next_kill = time.monotonic() + 1
        done = "SELECT COUNT(*) FROM `tabBackground Job` WHERE job_type = %s AND status = 'Completed'"
        return database.value(done, job_type) == number

    try:
        until(all_done, size(240, 1500), "all jobs")
    finally:
        watch.is_over = True
    assert fleet.kills >= kills
    assert watch.looks > 100
    assert watch.most == CAP
