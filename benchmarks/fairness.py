"""One organization has many jobs in line, another one submits one: how many of the first start before it.

2,000 jobs of 50 ms are in line, or so many times fewer as the argument says. The one job comes at random moments, again
and again while others are in line. Counted are the starts between the moment of its commit, as of which others can see
it, and its own start.
"""

from __future__ import annotations

import random
import statistics
import time
from datetime import datetime

import frappe

from benchmarks import _report, _site, _workers
from dartwing_core.jobs import submit_job, submit_jobs
from dartwing_core.jobs.lib import clock
from tests.support import database, factory
from tests.support.waiting import until

WORKERS, JOBS, SECONDS, MOST_PAUSE = (2, 4), 2_000, 0.05, 1.0
PATIENCE = 60
LEFT = "SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Queued' AND organization = %s"
STARTED = "SELECT started_at FROM `tabBackground Job` WHERE name = %s"
BEFORE = "SELECT COUNT(*) FROM `tabBackground Job` WHERE organization = %s AND started_at BETWEEN %s AND %s"
Trial = tuple[int, float]
"""Jobs of the first organization that started between the one job's commit and its start, and the seconds between."""


def try_out(workers: int, jobs: int, dice: random.Random) -> list[Trial]:
    """Trials as long as the first organization has more jobs in line than there are workers."""
    factory.wipe()
    factory.organization(factory.BETA)
    _site.job_type("benchmark", "seconds")
    _site.job_type("benchmark_one", "nothing")
    request = {"job_type": "test_benchmark", "organization": _site.ORGANIZATION}
    submit_jobs({**request, "parameters": {"seconds": SECONDS, "n": n}} for n in range(jobs))
    frappe.db.commit()
    trials = []
    with _workers.workers(workers):
        try_once(-1)
        time.sleep(SECONDS)
        while database.value(LEFT, _site.ORGANIZATION) > workers:
            trial = try_once(len(trials))
            if database.value(LEFT, _site.ORGANIZATION):  # otherwise it went because nobody else was there
                trials.append(trial)
            time.sleep(dice.uniform(0, MOST_PAUSE))
    return trials


def try_once(number: int) -> Trial:
    committed: list[datetime] = []
    frappe.db.after_commit.add(lambda: committed.append(clock.site_time()))  # the first of all callbacks
    job = submit_job("test_benchmark_one", factory.BETA, {"n": number})
    frappe.db.commit()
    began = committed[0]
    started = until(lambda: database.value(STARTED, job.name), PATIENCE, "the start")
    return database.value(BEFORE, _site.ORGANIZATION, began, started), (started - began).total_seconds()


def run(divisor: int = 1) -> _report.Report:
    report = _report.Report("fairness: jobs of another organization that start before the one that was just submitted")
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    with _site.site():
        found = {workers: try_out(workers, JOBS // divisor, dice) for workers in WORKERS}
    rows = []
    for workers, trials in found.items():
        before, waits = zip(*trials, strict=True)
        waited = (statistics.median(waits), max(waits))
        rows.append([f"{workers} workers", len(trials), statistics.mean(before), max(before), *waited])
    report.table([f"seed {seed}", "trials", "before it, mean", "most", "wait p50, s", "longest, s"], rows)
    for workers, _trials, _mean, most, *_waited in rows:
        report.add(f"{workers}: most that start before one of another", most, int(workers.split()[0]))
    return report


if __name__ == "__main__":
    _report.main(run)
