"""The cost of choosing and starting a job with 100,000 of 200 organizations in line, while 2 and 8 workers take.

Timed are settles of no-ops, each with the start of the next job, and their commit. Arguments are another number of
jobs, and of seconds of each round.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from benchmarks import _report, _settles, _site, _workers
from dartwing_core.jobs.line import queue_view
from tests.support.settings import settings
from tests.support.waiting import until

JOBS, ORGANIZATIONS = 100_000, 200
SECONDS = 8
FIRST_JOBS = 100
"""So many jobs of each worker are not in the rate: workers start, and caches fill."""
MOST_MS_BY_WORKERS = {2: 4, 8: 20}


def by_workers(number: int, seconds: int) -> tuple[float, list[float]]:
    """Jobs that so many workers do in a second, and milliseconds of their settles with the next start."""
    with _settles.noted() as settles, ExitStack() as at_the_end, _workers.workers(number):
        before = _site.completed()
        queue_view.ring_for_line()
        until(lambda: _site.completed() >= before + FIRST_JOBS * number, 120, "the first jobs")
        first, began = _site.completed(), time.monotonic()
        time.sleep(seconds)
        rate = (_site.completed() - first) / (time.monotonic() - began)
        at_the_end.enter_context(settings(is_paused=1))  # ends after the workers: they would go on
        return rate, settles()


def run(jobs: int = JOBS, seconds: int = SECONDS) -> _report.Report:
    report = _report.Report(f"claim: {jobs:,} jobs of {ORGANIZATIONS} organizations in line")
    with _site.site():
        _site.line_up("nothing_timed", jobs, ORGANIZATIONS)
        found = {number: by_workers(number, seconds) for number in MOST_MS_BY_WORKERS}
    rows = [[f"{number} workers", rate, *_report.spread(times)] for number, (rate, times) in found.items()]
    report.table(["settle with the next start", "jobs a second", "median, ms", "p95", "max"], rows)
    for number, most in MOST_MS_BY_WORKERS.items():
        p95 = _report.percentile(found[number][1], 95)
        report.add(f"a settle with the next start, {number} workers, p95", p95, most, " ms")
    return report


if __name__ == "__main__":
    _report.main(run)
