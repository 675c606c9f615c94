"""The cost of a job that runs in a slice: statements, commits, round trips to Redis, processor time.

No-ops of 20 organizations, taken by one worker. Statements, commits and round trips are counted on the wire (`_wire`),
in a round of their own; all that the worker and its work-horses ask counts, so also their looks, claims and heartbeats.
Processor time is the kernel's, that of the forks included. Arguments are another number of jobs than 2,000, and of
workers (`--workers`): what a job costs more where many take from one line.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

from benchmarks import _report, _site, _window, _wire, _workers
from dartwing_core.jobs.line import queue_view
from tests.support import factory
from tests.support.waiting import until

JOBS, ORGANIZATIONS = 2_000, 20
PATIENCE = 300
MOST_STATEMENTS, MOST_COMMITS, MOST_ROUND_TRIPS, MOST_MS = 8, 1, 1, 1.5


@dataclass(frozen=True)
class Counts:
    """Of one job."""

    statements: float
    commits: float
    """Those that wrote something."""
    all_commits: float
    round_trips: float


def count(jobs: int, workers: int = 1) -> Counts:
    _line_up(jobs)
    with _wire.counted() as wire, _workers.workers(workers) as started:
        wire.take()
        _finish(started, jobs)
        asked = wire.take()
    found = (asked.work, asked.writing_commits, asked.commits, asked.round_trips)
    return Counts(*(len(each) / jobs for each in found))


def clock(jobs: int, workers: int = 1) -> _window.Window:
    """Processor time of all from the first job to the end of the last slice."""
    _line_up(jobs)
    with _workers.workers(workers) as started:
        before, began = _window.Costs.now(started), time.monotonic()
        _finish(started, jobs)
        return _window.window(jobs, time.monotonic() - began, before, _window.Costs.now(started))


def _line_up(jobs: int) -> None:
    factory.wipe()
    _site.line_up("nothing", jobs, ORGANIZATIONS)


def _finish(started: list[_workers.Worker], jobs: int) -> None:
    before = _window.completed()
    queue_view.ring_for_line()
    until(lambda: _window.completed() >= before + jobs, PATIENCE, "the end of the jobs")
    until(lambda: not any(worker.children() for worker in started), 30, "the end of the slices")


def run(jobs: int = JOBS, workers: int = 1) -> _report.Report:
    report = _report.Report(f"slice_cost: {jobs:,} no-ops in slices, workers: {workers}")
    with _site.site():
        print(_report.where())
        used = clock(jobs, workers)
        counts = count(jobs, workers)
    report.target("SQL statements of a job", counts.statements, MOST_STATEMENTS)
    # The first job of a slice is taken in a commit of its own, so this is a little more than 1.
    report.target("commits of a job that write", round(counts.commits, 1), MOST_COMMITS)
    report.figure("commits of a job", counts.all_commits)
    report.target("round trips to Redis of a job", counts.round_trips, MOST_ROUND_TRIPS)
    report.target("processor time of the worker for a job", used.worker_ms, MOST_MS, " ms")
    if used.database_ms is None:
        report.skip("processor time of MariaDB for a job", "it does not run on this machine")
    else:
        report.figure("processor time of MariaDB for a job", used.database_ms, " ms")
    report.figure("processor time of Redis for a job", used.redis_ms, " ms")
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./dev bench slice_cost")
    parser.add_argument("jobs", type=int, nargs="?", default=JOBS)
    parser.add_argument("--workers", type=int, default=1)
    run(**vars(parser.parse_args())).exit()
