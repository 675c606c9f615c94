"""From the time at which something is due to its start: retries, jobs for later and runs of schedules.

On each set-up of a stock bench, with two idle workers: `bench schedule` as it is, and with the scheduler paused
(`pause_scheduler`); then without it, beside the agent, and beside one more worker alone, which is busy all the while.
Due times are spread at random, and nothing is submitted meanwhile. Another number of each kind than 15 is the argument.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import frappe

from benchmarks import _report, _site, _workers
from dartwing_core.jobs import submit_jobs
from dartwing_core.jobs.lib import clock, config
from dartwing_core.jobs.rq import leader, redis_queue
from tests.support import factory, processes, schedules
from tests.support.waiting import until

NUMBER = 15
FIRST, SPREAD = 10.0, 30.0
"""Seconds until the first is due, and in which all are."""
PATIENCE = 400
TARGET = 5
ATTEMPTS = {"retry": 2, "later": 1, "schedule": 1}
"""By kind: the attempt that is due."""
STARTS = f"SELECT due_epoch, started_at FROM `tab{config.JOB}` WHERE job_type = %s AND attempt >= %s"


def scheduler(**settings: object) -> processes.Process:
    """`bench schedule`, with these settings of the site."""
    sites = processes.Sites(Path(os.environ["DW_RUN_DIR"]) / f"bench-{os.urandom(4).hex()}")
    sites.configure(os.environ["DW_SITE"], **settings)
    return processes.start_scheduler(sites)


SET_UPS: dict[str, Callable[[], processes.Process] | None] = {
    "bench schedule": scheduler,
    "bench schedule, paused": lambda: scheduler(pause_scheduler=1),
    "agent": processes.start_agent,
    "a busy worker": None,
}
"""What looks for due work."""


def submit(kind: str, many: list[dict]) -> None:
    request = {"job_type": f"test_benchmark_{kind}", "organization": _site.ORGANIZATION}
    submit_jobs(request | {"parameters": {"n": n}} | one for n, one in enumerate(many))
    frappe.db.commit()


def wait_for(kind: str, status: str, number: int) -> None:
    def is_there() -> bool:
        frappe.db.rollback()
        return frappe.db.count(config.JOB, {"job_type": f"test_benchmark_{kind}", "status": status}) == number

    until(is_there, 60, f"{number} × {kind}, {status}")


def measure(number: int, dice: random.Random) -> dict[str, list[float]]:
    """Seconds from the due times to the starts, by kind."""

    def delays() -> list[float]:
        return [FIRST + dice.uniform(0, SPREAD) for _ in range(number)]

    submit("retry", [{"parameters": {"n": n, "delay": delay}} for n, delay in enumerate(delays())])
    wait_for("retry", "Failed", number)
    submit("later", [{"available_at": delay} for delay in delays()])
    for delay in delays():
        schedule = schedules.document("test_benchmark_schedule", **schedules.every(1440)).insert()
        schedules.due_in(schedule, delay)
    frappe.db.commit()
    late = {}
    for kind in ATTEMPTS:
        rows = until(lambda kind=kind: _started(kind, number), PATIENCE, f"the start of each {kind}")
        late[kind] = [clock.to_epoch(started) - float(due) for due, started in rows]
    return late


def _started(kind: str, number: int) -> list[tuple]:
    frappe.db.rollback()
    rows = frappe.db.sql(STARTS, (f"test_benchmark_{kind}", ATTEMPTS[kind]))
    return rows if len(rows) == number else []


def measure_in(set_up: Callable[[], processes.Process] | None, number: int, dice: random.Random) -> dict:
    """`measure` in one set-up, which leaves nothing behind."""
    _site.job_type("benchmark_retry", "fails_once", max_retries=1, retry_delays="1")
    for kind, handler in (("later", "nothing"), ("schedule", "nothing"), ("minutes", "minutes")):
        _site.job_type(f"benchmark_{kind}", handler)
    process = None
    try:
        with _workers.workers(2 if set_up else 3):
            if set_up:
                process = set_up()
                until(lambda: processes.queue_client().exists(redis_queue.site_key(leader.LEADER)), 60, "a look")
            else:
                submit("minutes", [{}])
                wait_for("minutes", "Running", 1)
            return measure(number, dice)
    finally:
        if process:
            process.stop()
        _site.clear_queue()
        factory.wipe()


def run(number: int = NUMBER) -> _report.Report:
    report = _report.Report("due: from the due time to the start")
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    with _site.site():
        found = {name: measure_in(set_up, number, dice) for name, set_up in SET_UPS.items()}
    rows = [
        [f"{name}, {kind}", len(times), *_report.spread(times)]
        for name, late in found.items()
        for kind, times in late.items()
    ]
    report.table([f"s, seed {seed}", "number", "p50", "p95", "max"], rows)
    for name, late in found.items():
        together = [second for times in late.values() for second in times]
        report.add(f"{name}: p95", _report.percentile(together, 95), TARGET, " s")
    return report


if __name__ == "__main__":
    _report.main(run)
