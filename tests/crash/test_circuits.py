"""Circuit breaker with genuine workers: sixteen who start at once send one probe, and killed ones leave no circuit
half open for ever."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import frappe
import pytest

from dartwing_core.jobs.lib import clock
from tests.support import database
from tests.support.circuits import breaking_type
from tests.support.fleet import Fleet
from tests.support.jobs import submit_many
from tests.support.waiting import until
from tests.support.watch import Watch

OK, DOWN = ["ok"] * 20, 4
RUNNING = (
    "SELECT c.opened_at, j.started_at FROM `tabJob Circuit` c"
    " LEFT JOIN `tabBackground Job` j"
    " ON c.job_type = j.job_type AND c.organization = j.organization AND j.status = 'Running'"
    " WHERE c.job_type = %s AND c.status <> 'Closed'"
)


class ProbeWatch(Watch):
    """Counts the running jobs that began when everybody could see their circuit open.

    `opened_at` is earlier than the commit. A claim in between finds the circuit closed, and rightly starts its job.
    """

    def __init__(self, job_type: str):
        super().__init__(RUNNING, job_type)
        self._now = clock.site_clock()
        self._opened_at = self._seen_at = None

    def count(self, rows: Sequence[tuple[Any, ...]]) -> int:
        if rows and rows[0][0] != self._opened_at:
            self._opened_at, self._seen_at = rows[0][0], self._now()
        return sum(started_at is not None and started_at > self._seen_at for _opened_at, started_at in rows)


def fail(job_type: str) -> None:
    """Let the upstream be down for DOWN jobs, the first time each of them runs."""
    submit_many(job_type, DOWN, plan=["fail", *OK])
    until(lambda: state(job_type) == "Open", 60, "the circuit to open")


def state(job_type: str) -> str | None:
    return database.value("SELECT status FROM `tabJob Circuit` WHERE job_type = %s", job_type)


def cool(job_type: str) -> None:
    """The cool-down is over."""
    frappe.db.sql("UPDATE `tabJob Circuit` SET open_until_epoch = 0 WHERE job_type = %s", (job_type,))
    frappe.db.commit()


@pytest.mark.timeout(1800)
def test_killed_workers_leave_one_probe_at_a_time_and_no_circuit_half_open(fleet: Fleet, size):
    number, kills, rounds = size(20, 100), size(3, 10), size(2, 8)
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    job_type = breaking_type(max_retries=9, retry_delays="1", circuit_breaker_failure_threshold=0.01)
    fleet.hire(4)
    next_kill = time.monotonic()

    def are_done(turn: int) -> bool:
        nonlocal next_kill
        fleet.hire(4)
        if fleet.kills < kills * (turn + 1) and time.monotonic() > next_kill and fleet.kill_one(dice):
            next_kill = time.monotonic() + 1
        if state(job_type) == "Open":
            cool(job_type)
        done = "SELECT COUNT(*) FROM `tabBackground Job` WHERE job_type = %s AND status = 'Completed'"
        return database.value(done, job_type) == (number + DOWN) * (turn + 1)

    with ProbeWatch(job_type) as watch:
        for turn in range(rounds):
            fail(job_type)
            submit_many(job_type, number, plan=OK, seconds=0.5)
            cool(job_type)
            until(lambda turn=turn: are_done(turn), size(240, 300), "all jobs")
    assert watch.looks > 100
    assert watch.most <= 1
    assert fleet.kills >= kills
