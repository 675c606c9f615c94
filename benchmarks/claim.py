"""The cost of choosing and starting a job with 100,000 of 200 organizations in line.

In this process: a look at the line, a job that is taken by itself, and a settle that takes the next one along, all with
their commits. By workers: no-ops that 2 and 8 of them do in a second.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import frappe

from benchmarks import _report, _settles, _site, _window
from dartwing_core.jobs import executor
from dartwing_core.jobs.lib import sql
from dartwing_core.jobs.line import claim, queue_view
from dartwing_core.jobs.rq import doorbells
from tests.support.database import statements

JOBS, ORGANIZATIONS = 100_000, 200
WARM_UP, ROUNDS = 10, 300
SECONDS = 8.0
MOST_MS_BY_WORKERS = {2: 4, 8: 20}


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
        queue_view.read_view()

    return timed(step, ROUNDS)


def settled_along(number: int) -> list[float]:
    entry = doorbells.Entry("bench", 1e6, "rq:worker:bench", "default", ("default",))
    claimer = claim.Claimer(entry=entry)
    loop = executor.Loop(claimer, entry)
    loop.hold(claimer.claim_next())
    with _settles.timed() as times:
        for _round in range(WARM_UP + number):
            loop.step(loop.attempt)
    loop.end()
    return times[WARM_UP:]


def by_workers(number: int, seconds: float) -> tuple[float, list[float]]:
    """Jobs that so many workers do in a second, and milliseconds of their settles with the next start."""
    with _settles.noted() as settles:
        rate = _window.observe(number, seconds).rate
        return rate, settles()


def run(jobs: int = JOBS, seconds: float = SECONDS) -> _report.Report:
    """`seconds`: of each round with workers."""
    report = _report.Report(f"take: {jobs:,} jobs of {ORGANIZATIONS} organizations in line")
    with _site.site():
        print(_report.where())
        _site.line_up("nothing_timed", jobs, ORGANIZATIONS)
        looked, claimer = looks(), claim.Claimer()
        taken = timed(claimer.claim_next, ROUNDS)
        along = settled_along(ROUNDS)
        with statements() as asked:
            settled_along(0)
        # Nobody makes those that were only taken: their leases would end, and with them this connection.
        frappe.db.sql("UPDATE `tabBackground Job` SET status = 'Completed' WHERE status = 'Running'")
        frappe.db.commit()
        found = {number: by_workers(number, seconds) for number in MOST_MS_BY_WORKERS}
    p95 = _report.percentile
    rows: list[list[object]] = [
        [text, statistics.median(values), p95(values, 95), max(values)]
        for text, values in (
            ("a look", looked),
            ("a job taken by itself", taken),
            ("a settle with the next start", along),
            *((f"… in {number} workers", settles) for number, (_rate, settles) in found.items()),
        )
    ]
    report.table(["ms", "median", "p95", "max"], rows)
    report.table(["no-ops a second", "of the line"], [[f"{number} workers", found[number][0]] for number in found])
    print(f"{len(asked)} SQL statements for {WARM_UP} jobs\n")
    report.figure("a settle with the next start, in one process, p95", p95(along, 95), " ms")
    for number, most in MOST_MS_BY_WORKERS.items():
        report.target(f"a settle with the next start, {number} workers, p95", p95(found[number][1], 95), most, " ms")
    return report


if __name__ == "__main__":
    run().exit()
