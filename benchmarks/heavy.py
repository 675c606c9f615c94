"""Heavy use: 100 organizations with 1,000 no-ops each on 4 workers; then 20,000 submits while these workers run.

Of the first: throughput, p95 wait since all were in line, and how evenly the organizations are served. Of the second:
submits a second, each in a transaction of its own, with its commit and doorbell, and how the workers keep up.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import frappe

from benchmarks import _report, _site, _window, _workers
from dartwing_core.jobs import submit_jobs
from dartwing_core.jobs.line import queue_view
from tests.support import factory
from tests.support.waiting import until

ORGANIZATIONS, JOBS, WORKERS, SUBMITS = 100, 1_000, 4, 20_000
PATIENCE = 1_800
WAITS = """
    SELECT organization, TIMESTAMPDIFF(MICROSECOND, {since}, started_at) / 1e6
    FROM `tabBackground Job` WHERE job_type = %s ORDER BY started_at
"""


@dataclass(frozen=True)
class Backlog:
    """The outcome of the jobs that were all in line."""

    submit_rate: float
    """Rows a second."""
    rate: float
    """Jobs a second."""
    waits: list[tuple[str, float]]
    """Of each job, in the order of the starts: organization, seconds since the first start."""

    @property
    def p95(self) -> float:
        return _report.percentile([wait for _organization, wait in self.waits], 95)

    @property
    def p95_by_organization(self) -> list[float]:
        waits: dict[str, list[float]] = defaultdict(list)
        for organization, wait in self.waits:
            waits[organization].append(wait)
        return sorted(_report.percentile(each, 95) for each in waits.values())

    @property
    def spread_at_half(self) -> tuple[int, int]:
        """The fewest and the most starts of an organization when half of all jobs have started."""
        half = Counter(organization for organization, _wait in self.waits[: len(self.waits) // 2])
        starts = [half[organization] for organization in {name for name, _wait in self.waits}]
        return min(starts), max(starts)


@dataclass(frozen=True)
class Burst:
    """The outcome of the submits while workers run."""

    seconds: float
    """From the first submit to the last."""
    calls: list[float]
    """Milliseconds of each submit with its commit."""
    waits: list[float]
    """Seconds of each job from its submit to its start."""
    lag: float
    """Seconds from the last submit to the end of the last job."""


def do_backlog(organizations: int, jobs: int, workers: int) -> Backlog:
    job_type = _prepare()
    names = [factory.organization(f"Test Heavy {number}") for number in range(organizations)]
    frappe.db.commit()
    began = time.perf_counter()
    for name in names:
        request: dict[str, Any] = {"job_type": job_type, "organization": name}
        submit_jobs({**request, "parameters": {"n": n}} for n in range(jobs))
        frappe.db.commit()
    submitted = time.perf_counter() - began
    with _workers.workers(workers):
        began = time.perf_counter()
        queue_view.ring_for_line()
        _wait_for(organizations * jobs)
        took = time.perf_counter() - began
    number = organizations * jobs
    return Backlog(number / submitted, number / took, _waits("(SELECT MIN(started_at) FROM `tabBackground Job`)"))


def do_burst(submits: int, workers: int) -> Burst:
    _prepare()
    frappe.set_user(_site.member())
    calls = []
    with _workers.workers(workers):
        first = time.perf_counter()
        for _number in range(submits):
            began = time.perf_counter()
            _site.submit()
            frappe.db.commit()
            calls.append(1000 * (time.perf_counter() - began))
        last = time.perf_counter()
        _wait_for(submits)
        lag = time.perf_counter() - last
    return Burst(last - first, calls, [wait for _organization, wait in _waits("created_at")], lag)


def _prepare() -> str:
    factory.wipe()
    return _site.job_type("benchmark", "nothing")


def _wait_for(jobs: int) -> None:
    """Until so many are completed; asked once a second, since each question counts them."""
    until(lambda: time.sleep(1) or _window.completed() >= jobs, PATIENCE, f"the end of {jobs:,} jobs")


def _waits(since: str) -> list[tuple[str, float]]:
    """Of each job of this run: organization, and seconds to its start since a column or a subquery of ours."""
    frappe.db.rollback()
    rows = frappe.db.sql(WAITS.format(since=since), "test_benchmark")
    return [(organization, float(wait)) for organization, wait in rows]


def run(
    organizations: int = ORGANIZATIONS, jobs: int = JOBS, workers: int = WORKERS, submits: int = SUBMITS
) -> _report.Report:
    """`jobs`: of each organization."""
    report = _report.Report(
        f"heavy: {organizations} organizations with {jobs:,} jobs each, then {submits:,} submits; {workers} workers"
    )
    with _site.site():
        print(_report.where())
        backlog = do_backlog(organizations, jobs, workers)
        burst = do_burst(submits, workers)
    show_backlog(report, backlog)
    show_burst(report, burst)
    return report


def show_backlog(report: _report.Report, backlog: Backlog) -> None:
    waits, (fewest, most) = backlog.p95_by_organization, backlog.spread_at_half
    report.figure("backlog: submit_jobs, with commits", backlog.submit_rate, " rows/s")
    report.figure("backlog: jobs a second", backlog.rate)
    report.figure("backlog: p95 wait", backlog.p95, " s")
    report.figure("backlog: p95 wait of the organization that waits least", waits[0], " s")
    report.figure("backlog: p95 wait of the organization that waits longest", waits[-1], " s")
    report.figure("backlog: starts when half have started, fewest of an organization", fewest)
    report.figure("backlog: starts when half have started, most of an organization", most)


def show_burst(report: _report.Report, burst: Burst) -> None:
    submits = len(burst.calls)
    report.figure("burst: submits a second", submits / burst.seconds)
    report.figure("burst: a submit with its commit, median", statistics.median(burst.calls), " ms")
    report.figure("burst: a submit with its commit, p95", _report.percentile(burst.calls, 95), " ms")
    report.figure("burst: jobs a second, from the first submit to the last end", submits / (burst.seconds + burst.lag))
    report.figure("burst: p95 wait", _report.percentile(burst.waits, 95), " s")
    report.figure("burst: from the last submit to the last end", burst.lag, " s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./dev bench heavy")
    parser.add_argument("--organizations", type=int, default=ORGANIZATIONS)
    parser.add_argument("--jobs", type=int, default=JOBS, help="of each organization")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--submits", type=int, default=SUBMITS)
    run(**vars(parser.parse_args())).exit()
