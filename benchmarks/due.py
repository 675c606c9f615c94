"""From the time at which something is due to its start: retries, jobs for later and runs of schedules.

On each set-up of a stock bench, with two idle workers: `bench schedule` as it is, with the scheduler paused
(`pause_scheduler`), disabled (`bench disable-scheduler`), and on a dormant site; then without it, beside the agent, and
beside one more worker alone, which is busy all the while. Due times are spread at random, and nothing is submitted
meanwhile. Another number of each kind than 15 is the argument. At the end: what a look at an idle site costs.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import frappe
from frappe.utils.scheduler import is_dormant

from benchmarks import _report, _site, _workers
from dartwing_core.jobs import submit_jobs
from dartwing_core.jobs.lib import clock, config
from dartwing_core.jobs.rq import leader, redis_queue
from dartwing_core.jobs.sweep import agent
from tests.support import factory, processes, schedules
from tests.support.settings import system_settings
from tests.support.waiting import until

NUMBER = 15
WARM_UP, LOOKS = 3, 50
FIRST, SPREAD = 10.0, 30.0
"""Seconds until the first is due, and in which all are."""
PATIENCE = 400
TARGET = 5
KINDS = ("retry", "job for later", "schedule")
STARTS = f"SELECT name, due_epoch, started_at FROM `tab{config.JOB}` WHERE job_type = %s AND attempt >= %s"


@contextmanager
def scheduler(**settings: object) -> Iterator[None]:
    """`bench schedule`, with these settings of the site."""
    folder = Path(os.environ["DW_RUN_DIR"]) / f"bench-{os.urandom(4).hex()}"
    sites = processes.Sites(folder)
    sites.configure(os.environ["DW_SITE"], **settings)
    process = processes.start_scheduler(sites)
    try:
        yield
    finally:
        process.stop()


class NoDormancyError(Exception):
    """This Frappe takes no site for dormant."""


@contextmanager
def scheduler_with(**values: object) -> Iterator[None]:
    """`bench schedule` on a site with these System Settings."""
    with system_settings(**values), scheduler():
        yield


@contextmanager
def dormant() -> Iterator[None]:
    """On a dormant site, or not at all where Frappe knows none."""
    with scheduler_with(dormant_days=-1):
        if not is_dormant():
            raise NoDormancyError
        yield


@contextmanager
def beside_the_agent() -> Iterator[None]:
    process = processes.start_agent()
    try:
        yield
    finally:
        process.stop()


@contextmanager
def busy_worker() -> Iterator[None]:
    """One worker more, with a job for minutes: it is told to end at the end."""
    submit("test_benchmark_minutes", [{}])
    until(lambda: _count("test_benchmark_minutes", "Running"), 60, "a busy worker")
    yield


SET_UPS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "bench schedule": scheduler,
    "  paused": lambda: scheduler(pause_scheduler=1),
    "  disabled": lambda: scheduler_with(enable_scheduler=0),
    "  dormant": dormant,
    "agent": beside_the_agent,
    "a busy worker": busy_worker,
}


def submit(job_type: str, many: list[dict]) -> None:
    request = {"job_type": job_type, "organization": _site.ORGANIZATION}
    submit_jobs(request | {"parameters": {"n": n}} | one for n, one in enumerate(many))
    frappe.db.commit()


def _count(job_type: str, status: str) -> int:
    frappe.db.rollback()
    return frappe.db.count(config.JOB, {"job_type": job_type, "status": status})


def measure(number: int, dice: random.Random) -> dict[str, list[float]]:
    """Seconds from the due times to the starts, by kind."""

    def delays() -> list[float]:
        return [FIRST + dice.uniform(0, SPREAD) for _ in range(number)]

    submit("test_benchmark_retry", [{"parameters": {"n": n, "delay": delay}} for n, delay in enumerate(delays())])
    until(lambda: _count("test_benchmark_retry", "Failed") == number, 60, "the failures")
    submit("test_benchmark_later", [{"available_at": delay} for delay in delays()])
    for delay in delays():
        schedule = schedules.document("test_benchmark_schedule", **schedules.every(1440)).insert()
        schedules.due_in(schedule, delay)
    frappe.db.commit()
    late: dict[str, list[float]] = {}
    for kind, job_type, attempt in zip(KINDS, ("retry", "later", "schedule"), (2, 1, 1), strict=True):
        rows = until(lambda j=job_type, a=attempt: _started(j, a, number), PATIENCE, f"the start of each {kind}")
        late[kind] = [clock.to_epoch(started) - float(due) for _name, due, started in rows]
    return late


def _started(job_type: str, attempt: int, number: int) -> list[tuple]:
    frappe.db.rollback()
    rows = frappe.db.sql(STARTS, (f"test_benchmark_{job_type}", attempt))
    return rows if len(rows) == number else []


def measure_in(set_up: Callable[[], AbstractContextManager[None]], number: int, dice: random.Random) -> dict:
    """`measure` in one set-up, which leaves nothing behind."""
    make_types()
    try:
        with _workers.workers(3 if set_up is busy_worker else 2), set_up():
            if set_up is not busy_worker:
                until(lambda: processes.queue_client().exists(redis_queue.site_key(leader.LEADER)), 60, "a look")
            return measure(number, dice)
    except NoDormancyError:
        return {}
    finally:
        _site.clear_queue()
        factory.wipe()


def make_types() -> None:
    _site.job_type("benchmark_retry", "fails_once", max_retries=1, retry_delays="1")
    for name, handler in (("later", "nothing"), ("schedule", "nothing"), ("minutes", "minutes")):
        _site.job_type(f"benchmark_{name}", handler)


def idle_looks() -> list[tuple[float, float]]:
    """Milliseconds, and those of the processor, of looks at a site where nothing is going on."""
    site, times = agent.Site(os.environ["DW_SITE"]), []
    for _ in range(WARM_UP + LOOKS):
        began, used = time.perf_counter(), time.process_time()
        site.check(os.environ["DW_SITES_PATH"])
        times.append((1000 * (time.perf_counter() - began), 1000 * (time.process_time() - used)))
    return times[WARM_UP:]


def main() -> None:
    report = _report.Report("due: from the due time to the start")
    number = int(sys.argv[1]) if len(sys.argv) > 1 else NUMBER
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    with _site.site():
        print(_report.where())
        looks = idle_looks()
        found = {name: measure_in(set_up, number, dice) for name, set_up in SET_UPS.items()}
    rows: list[list[object]] = []
    for name, late in found.items():
        for kind in KINDS if late else ():
            times = late[kind]
            rows.append(
                [f"{name}, {kind}", len(times), statistics.median(times), _report.percentile(times, 95), max(times)]
            )
        if not late:
            rows.append([f"{name}: Frappe {frappe.__version__} knows no such site", *[""] * 4])
    report.table([f"s, seed {seed}", "number", "p50", "p95", "max"], rows)
    wall, processor = (statistics.median(values) for values in zip(*looks, strict=True))
    print(f"A look at an idle site, median: {wall:.1f} ms, {processor:.1f} ms of the processor\n")
    for name, late in found.items():
        if late:
            together = [second for times in late.values() for second in times]
            report.target(f"{name.strip()}: p95", _report.percentile(together, 95), TARGET, " s")
    report.exit()


if __name__ == "__main__":
    main()
