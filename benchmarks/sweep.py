"""One sweep over a site with 100,000 live jobs and 200,000 finished ones, in this process.

First when nothing is to do, then each time with one batch of jobs that are due, and line up behind a full queue: their
cost is given for each job. Waiting jobs
of all kinds are there (`tests/support/population.py`), and 12,000 Queued ones that no worker takes, so that each sweep
asks Redis for a batch of entries, too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import frappe
import redis.connection

from benchmarks import _report, _site
from dartwing_core.jobs.lib import clock, config
from dartwing_core.jobs.sweep import sweeper
from tests.support import population
from tests.support.database import statements

WARM_UP, ROUNDS = 3, 20
TARGET = 100


def timed() -> tuple[float, sweeper.Report]:
    """Milliseconds of one sweep, and what it did."""
    began = time.perf_counter()
    report = sweeper.sweep()
    return 1000 * (time.perf_counter() - began), report


def idle() -> list[float]:
    """Sweeps that find nothing to do."""
    found = [timed() for _ in range(WARM_UP + ROUNDS)]
    if busy := [report for _, report in found if report != sweeper.Report()]:
        raise SystemExit(f"There was something to do: {busy[0]}")
    return [milliseconds for milliseconds, _ in found[WARM_UP:]]


def due(batch: int) -> list[float]:
    """Sweeps that each find a batch of jobs due."""
    times = []
    for number in range(WARM_UP + ROUNDS):
        make_due(number * batch + 1, batch)
        milliseconds, report = timed()
        if report.queued != batch:
            raise SystemExit(f"{batch} jobs were due: {report}")
        times.append(milliseconds)
    return times[WARM_UP:]


def make_due(first: int, number: int) -> None:
    """Let the time of so many of the jobs that are due later have come."""
    now = clock.now_epoch()
    names = [population.name("L", serial) for serial in range(first, first + number)]
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.update(job).where(job.name.isin(names))
    query.set(job.available_at, clock.site_time(now - 60)).set(job.due_epoch, now - 60).run()
    frappe.db.commit()


@contextmanager
def round_trips() -> Iterator[list[int]]:
    """Gains an item with each message to Redis; a pipeline is one."""
    seen: list[int] = []
    send = redis.connection.Connection.send_packed_command

    def count(connection, *arguments, **options):
        seen.append(1)
        return send(connection, *arguments, **options)

    redis.connection.Connection.send_packed_command = count
    try:
        yield seen
    finally:
        redis.connection.Connection.send_packed_command = send


def row(text: str, times: list[float]) -> list[object]:
    return [text, statistics.median(times), _report.percentile(times, 95), max(times)]


def main() -> None:
    report = _report.Report("sweep: one pass of the sweeper over 100,000 live jobs")
    with _site.site():
        print(_report.where())
        population.fill(_site.job_type("benchmark", "nothing"))
        report.table(["jobs", "number"], [[f"{g.status} {g.text}".strip(), g.number] for g in population.GROUPS])
        quiet = idle()
        with statements() as asked, round_trips() as trips:
            sweeper.sweep()
        batch = config.settings().sweep_batch
        busy = due(batch)
    per_job = (statistics.median(busy) - statistics.median(quiet)) / batch
    rows = [row("nothing to do", quiet), row(f"{batch} jobs due", busy)]
    report.table(["ms of one sweep", "median", "p95", "max"], rows)
    print(f"{per_job:.2f} ms for each due job")
    print(f"Nothing to do: {len(asked)} SQL statements, {len(trips)} round trips to Redis\n")
    report.target("a sweep that finds nothing to do, median", statistics.median(quiet), TARGET, " ms")
    report.target("a sweep that finds nothing to do, p95", _report.percentile(quiet, 95), TARGET, " ms")
    report.exit()


if __name__ == "__main__":
    main()
