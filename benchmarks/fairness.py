"""One organization has many jobs in line, another one submits one: how many of the first start before it.

With 2,000 jobs of 50 ms in line, and with 20 of 4 s. The one job comes at random moments, again and again while others
are in line. Counted are the starts between the moment of its commit, as of which others can see it, and its own start.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import frappe

from benchmarks import _report, _site, _workers
from dartwing_core.jobs import submit_job, submit_jobs
from dartwing_core.jobs.lib import clock
from tests.support import database, factory
from tests.support.waiting import until

WORKERS = (2, 4)
PATIENCE = 60
LEFT = "SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Queued' AND organization = %s"
STARTED = "SELECT started_at FROM `tabBackground Job` WHERE name = %s"
BEFORE = "SELECT COUNT(*) FROM `tabBackground Job` WHERE organization = %s AND started_at BETWEEN %s AND %s"


@dataclass(frozen=True)
class Flood:
    """The jobs that the first organization has in line."""

    text: str
    number: int
    seconds: float
    """Of each job."""
    most_pause: float
    """Seconds between two jobs of the other organization, at most."""


FLOODS = (Flood("2,000 of 50 ms", 2_000, 0.05, 1.0), Flood("20 of 4 s", 20, 4.0, 4.0))


@dataclass(frozen=True)
class Trial:
    """One job of the other organization."""

    before: int
    """Jobs of the first organization that started between its commit and its start."""
    wait: float
    """Seconds from its commit to its start."""


def try_out(flood: Flood, workers: int, number: int, dice: random.Random) -> list[Trial]:
    """Trials as long as the first organization has more jobs in line than there are workers."""
    factory.wipe()
    factory.organization(factory.BETA)
    _site.job_type("benchmark", "seconds")
    _site.job_type("benchmark_one", "nothing")
    request = {"job_type": "test_benchmark", "organization": _site.ORGANIZATION}
    submit_jobs({**request, "parameters": {"seconds": flood.seconds, "n": n}} for n in range(number))
    frappe.db.commit()
    trials = []
    with _workers.workers(workers):
        try_once(-1)
        time.sleep(flood.seconds)
        while database.value(LEFT, _site.ORGANIZATION) > workers:
            trial = try_once(len(trials))
            if database.value(LEFT, _site.ORGANIZATION):  # otherwise it went because nobody else was there
                trials.append(trial)
            time.sleep(dice.uniform(0, flood.most_pause))
    return trials


def try_once(number: int) -> Trial:
    committed: list[datetime] = []
    frappe.db.after_commit.add(lambda: committed.append(clock.site_time()))  # the first of all callbacks
    job: Any = submit_job("test_benchmark_one", factory.BETA, {"n": number})
    frappe.db.commit()
    began = committed[0]
    started = until(lambda: database.value(STARTED, job.name), PATIENCE, "the start")
    before = database.value(BEFORE, _site.ORGANIZATION, began, started)
    return Trial(before, (started - began).total_seconds())


def run(workers: Sequence[int] = WORKERS, divisor: int = 1) -> _report.Report:
    """`divisor`: so many times fewer jobs of 50 ms in line; those of 4 s stay 20."""
    report = _report.Report("fairness: jobs of another organization that start before the one that was just submitted")
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    found: dict[tuple[str, int], list[Trial]] = {}
    with _site.site():
        print(_report.where())
        for flood in FLOODS:
            for number in workers:
                jobs = flood.number if flood.seconds > 1 else flood.number // divisor
                found[flood.text, number] = try_out(flood, number, jobs, dice)
    rows = []
    for (text, number), trials in found.items():
        before, waits = [trial.before for trial in trials], [trial.wait for trial in trials]
        waited = (statistics.median(waits), max(waits))
        rows.append([f"{text}, {number} workers", len(trials), statistics.mean(before), max(before), *waited])
    report.table([f"seed {seed}", "trials", "before it, mean", "most", "wait p50, s", "longest, s"], rows)
    for (text, number), trials in found.items():
        most = max(trial.before for trial in trials)
        report.target(f"{text} in line, {number} workers: most that start before one of another", most, number)
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./dev bench fairness")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--divisor", type=int, default=1, help="so many times fewer jobs of 50 ms")
    given = parser.parse_args()
    run(given.workers, given.divisor).exit()
