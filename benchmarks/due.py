"""From the time at which something is due to its start, and from the kill of a worker to its job's next attempt.

On each layout of a bench, with Frappe's scheduler running (one tick an hour), paused (`pause_scheduler`) and disabled.
Due are retries, jobs for later and runs of schedules, at random times at which nothing is submitted. Two of four
workers are killed meanwhile, with their work-horses. Another number of each kind than 5 is the argument.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import frappe

from benchmarks import _report, _site
from benchmarks._workers import has_no_fork_workers
from dartwing_core.jobs import submit_jobs
from dartwing_core.jobs.lib import clock, config
from dartwing_core.jobs.rq import due_sites
from tests.support import factory, layouts, processes, schedules
from tests.support.settings import system_settings
from tests.support.waiting import until

NUMBER, KILLS = 5, 2
FIRST, SPREAD = 5.0, 20.0
"""Seconds until the first is due, and in which all are."""
PATIENCE = 400
DUE_TARGET, KILLED_TARGET = 5, 25
ATTEMPTS = {"retry": 2, "later": 1, "schedule": 1}
"""By kind: the attempt that is due."""
STARTS = f"SELECT name, due_epoch, started_at FROM `tab{config.JOB}` WHERE job_type = %s AND attempt >= %s"
HANDLERS = {"retry": "fails_once", "later": "nothing", "schedule": "nothing", "killed": "linger"}
SCHEDULERS = {"running": {}, "paused": {"pause_scheduler": 1}, "disabled": {}}
"""By state of Frappe's scheduler: what the site's configuration says."""


@contextmanager
def layout(name: str, scheduler: str) -> Iterator[None]:
    """The processes of a layout, and Job Types. Leaves nothing behind."""
    for kind, handler in HANDLERS.items():
        retries = {"max_retries": 1, "retry_delays": "1"} if kind == "retry" else {}
        _site.job_type(f"benchmark_{kind}", handler, **retries)
    sites = processes.Sites(Path(os.environ["DW_RUN_DIR"]) / f"bench-{os.urandom(4).hex()}")
    sites.configure(os.environ["DW_SITE"], **SCHEDULERS[scheduler])
    try:
        with (
            system_settings(enable_scheduler=int(scheduler != "disabled")),
            layouts.running(layouts.LAYOUTS[name], sites, workers=2 + KILLS),
        ):
            yield
    finally:
        _site.clear_queue()
        factory.wipe()


def submit(kind: str, many: list[dict]) -> None:
    request = {"job_type": f"test_benchmark_{kind}", "organization": _site.ORGANIZATION}
    submit_jobs(request | {"parameters": {"n": n}} | one for n, one in enumerate(many))
    frappe.db.commit()


def begun(kind: str, attempt: int, number: int) -> list[tuple[str, float, float]]:
    """Name, due time and start of so many jobs, once all have begun this attempt."""

    def rows() -> list[tuple]:
        frappe.db.rollback()
        found = frappe.db.sql(STARTS, (f"test_benchmark_{kind}", attempt))
        return found if len(found) == number else []

    found = until(rows, PATIENCE, f"attempt {attempt} of {number} × {kind}")
    return [(name, float(due or 0), clock.to_epoch(started)) for name, due, started in found]


def measure(number: int, dice: random.Random, forks: bool) -> dict[str, list[float]]:
    """Seconds from the due times, or the kills, to the starts, by kind."""

    def delays() -> list[float]:
        return [FIRST + dice.uniform(0, SPREAD) for _ in range(number)]

    submit("killed", [{"parameters": {"n": n, "path": os.devnull}} for n in range(KILLS)])
    victims = {name: _pids(name, forks) for name, _due, _started in begun("killed", 1, KILLS)}
    submit("retry", [{"parameters": {"n": n, "delay": delay}} for n, delay in enumerate(delays())])
    begun("retry", 1, number)
    submit("later", [{"available_at": delay} for delay in delays()])
    for delay in delays():
        schedule = schedules.document("test_benchmark_schedule", **schedules.every(1440)).insert()
        due_sites.note_after_commit(schedules.due_in(schedule, delay))
    frappe.db.commit()
    killed = {}
    for name, pids in victims.items():
        time.sleep(dice.uniform(0, SPREAD / KILLS))
        killed[name] = time.time()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    late = {kind: [start - due for _, due, start in begun(kind, ATTEMPTS[kind], number)] for kind in ATTEMPTS}
    return late | {"killed": [start - killed[name] for name, _, start in begun("killed", 2, KILLS)]}


def _pids(job: str, forks: bool) -> list[int]:
    """The worker that runs a job, and its work-horse if it has one."""
    runner = layouts.horse_of(job)
    return [runner.ppid(), runner.pid] if forks else [runner.pid]


def run(number: int = NUMBER) -> _report.Report:
    report = _report.Report("due: from the due time to the start, and from a kill to the next attempt")
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    rows, due, killed = [], {}, {}
    with _site.site():
        for name, processes_of_it in layouts.LAYOUTS.items():
            forks = not {layouts.UNFORKED, layouts.FORKSERVER} & set(processes_of_it)
            if not (forks or has_no_fork_workers()):
                continue
            for scheduler in SCHEDULERS:
                with layout(name, scheduler):
                    found = measure(number, dice, forks)
                rows.append([f"{name}, scheduler {scheduler}", *map(max, found.values())])
                killed.setdefault(name, []).extend(found.pop("killed"))
                due.setdefault(name, []).extend(second for times in found.values() for second in times)
    report.table([f"s at most of {number} each, {KILLS} kills, seed {seed}", *ATTEMPTS, "killed"], rows)
    for name in due:
        report.add(f"{name}: due, p95", _report.percentile(due[name], 95), DUE_TARGET, " s")
        report.add(f"{name}: killed, p95", _report.percentile(killed[name], 95), KILLED_TARGET, " s")
    return report


if __name__ == "__main__":
    _report.main(run)
