"""What it costs to choose and start a job with 100,000 of 200 organizations in line.

In this process: a look at the line, a job that is taken by itself, and a settle that takes the next one along, all with
their commits. By workers: no-ops that 2 and 8 of them do in a second.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import frappe

from benchmarks import _report, _site, _workers
from dartwing_core.jobs.attempt import attempt
from dartwing_core.jobs.db import sql
from dartwing_core.jobs.line import look, take, wake
from tests.support import attempts, database, factory, population
from tests.support.database import statements
from tests.support.waiting import until

JOBS, ORGANIZATIONS = 100_000, 200
WARM_UP, ROUNDS = 10, 300
SECONDS = 8.0
MOST_MS = 4


def timed(step: Callable[[], object], number: int) -> list[float]:
    """Milliseconds of each round."""
    times = []
    for _round in range(WARM_UP + number):
        began = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - began))
    return times[WARM_UP:]


def looks() -> list[float]:
    def step() -> None:
        sql.commit()
        look.look()

    return timed(step, ROUNDS)


@contextmanager
def settles() -> Iterator[list[float]]:
    """Milliseconds of each settle meanwhile, from the handler's return to the end of its commit."""
    times: list[float] = []
    succeed = attempt.Attempt._succeed

    def measured(self: Any, result: Any) -> None:
        began = time.perf_counter()
        succeed(self, result)
        times.append(1000 * (time.perf_counter() - began))

    attempt.Attempt._succeed = measured  # type: ignore[method-assign]
    try:
        yield times
    finally:
        attempt.Attempt._succeed = succeed  # type: ignore[method-assign]


def settled_along(number: int) -> list[float]:
    taker = take.Taker()
    job = taker.take()
    with settles() as times:
        for _round in range(WARM_UP + number):
            made = attempts.of(job, lambda log: taker.take_along(log, 0.0))
            made.make()
            job = made.next_job or taker.take()
    return times[WARM_UP:]


def no_ops(workers: int) -> float:
    """Jobs that so many workers do in a second."""
    with _workers.workers(workers):
        before = _completed()
        wake.wake_for_line()
        until(lambda: _completed() > before + 100, 60, "the first jobs")
        first, began = _completed(), time.monotonic()
        until(lambda: time.monotonic() - began > SECONDS, 2 * SECONDS, "the end of the round")
        done, seconds = _completed() - first, time.monotonic() - began
        frappe.db.set_single_value("Job Engine Settings", "is_paused", 1)
        frappe.db.commit()
    frappe.db.set_single_value("Job Engine Settings", "is_paused", 0)
    frappe.db.commit()
    return done / seconds


def _completed() -> int:
    return database.value("SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Completed'")


def main() -> None:
    report = _report.Report(f"take: {JOBS:,} jobs of {ORGANIZATIONS} organizations in line")
    with _site.site():
        print(_report.where())
        for number in range(ORGANIZATIONS):
            factory.organization(f"Test Line {number}")
        population.line_up(_site.job_type("benchmark", "nothing"), JOBS, ORGANIZATIONS)
        looked, taker = looks(), take.Taker()
        taken = timed(taker.take, ROUNDS)
        along = settled_along(ROUNDS)
        with statements() as asked:
            settled_along(0)
        # Nobody makes those that were only taken: their leases would end, and with them this connection.
        frappe.db.sql("UPDATE `tabBackground Job` SET status = 'Completed' WHERE status = 'Running'")
        frappe.db.commit()
        by_workers = [[f"{number} workers", no_ops(number)] for number in (2, 8)]
    rows: list[list[object]] = [
        [text, statistics.median(values), _report.percentile(values, 95), max(values)]
        for text, values in (
            ("a look", looked),
            ("a job taken by itself", taken),
            ("a settle with the next start", along),
        )
    ]
    report.table(["ms", "median", "p95", "max"], rows)
    report.table(["no-ops a second", "of the line"], by_workers)
    print(f"{len(asked)} SQL statements for {WARM_UP} jobs\n")
    report.target("a settle with the next start, p95", _report.percentile(along, 95), MOST_MS, " ms")
    report.exit()


if __name__ == "__main__":
    main()
