"""The cost of a job that runs in a slice: statements, commits, round trips to Redis, processor time.

No-ops of 20 organizations, taken by one worker. Statements, commits and round trips are counted on the wire (`_wire`),
in a round of their own; all that the worker and its work-horses ask counts, so also their looks, claims and heartbeats.
Processor time is the kernel's, that of the forks included. Arguments are another number of jobs than 2,000, and of
workers: what a job costs more where many take from one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import frappe
import psutil

from benchmarks import _report, _site, _wire, _workers
from dartwing_core.jobs.line import queue_view
from tests.support.processes import queue_client
from tests.support.waiting import until

JOBS, ORGANIZATIONS = 2_000, 20
PATIENCE = 300
MOST_STATEMENTS, MOST_COMMITS, MOST_ROUND_TRIPS, MOST_MS = 8, 1, 1, 1.5


def count(jobs: int, workers: int) -> _wire.Count:
    """What all jobs ask."""
    _site.line_up("nothing", jobs, ORGANIZATIONS)
    with _wire.counted() as wire, _workers.workers(workers) as started:
        wire.take()
        finish(started, jobs)
        return wire.take()


def clock(jobs: int, workers: int) -> dict[str, float | None]:
    """Milliseconds of a processor for each job, from the first job to the end of the last slice."""
    _site.line_up("nothing", jobs, ORGANIZATIONS)
    with _workers.workers(workers) as started:
        before = seconds_used(started)
        finish(started, jobs)
        after = seconds_used(started)
    return {name: used and 1000 * (used - (before[name] or 0)) / jobs for name, used in after.items()}


def finish(started: Sequence[_workers.Worker], jobs: int) -> None:
    before = _site.completed()
    queue_view.ring_for_line()
    until(lambda: _site.completed() >= before + jobs, PATIENCE, "the end of the jobs")
    _workers.wait_until_idle(started)


def seconds_used(workers: Sequence[_workers.Worker]) -> dict[str, float | None]:
    """Of a processor since the start of the processes; None for MariaDB if it does not run on this machine."""
    redis = queue_client().info("cpu")
    return {
        "the worker": sum(sum(psutil.Process(worker.pid).cpu_times()[:4]) for worker in workers),
        "MariaDB": _seconds_of_mariadb(),
        "Redis": redis["used_cpu_user"] + redis["used_cpu_sys"],
    }


def _seconds_of_mariadb() -> float | None:
    """By the file in which the server keeps its process id."""
    path, folder = frappe.db.sql("SELECT @@pid_file, @@datadir")[0]
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(Path(folder, path).read_text()))
        if process.name().startswith(("mariadbd", "mysqld")):
            return sum(process.cpu_times()[:2])
    return None


def run(jobs: int = JOBS, workers: int = 1) -> _report.Report:
    report = _report.Report(f"slice_cost: {jobs:,} no-ops in slices, workers: {workers}")
    with _site.site():
        used = clock(jobs, workers)
        asked = count(jobs, workers)
    report.add("SQL statements of a job", len(asked.work) / jobs, MOST_STATEMENTS)
    # The first job of a slice is taken in a commit of its own, so this is a little more than 1.
    report.add("commits of a job that write", round(len(asked.writing_commits) / jobs, 1), MOST_COMMITS)
    report.add("commits of a job", len(asked.commits) / jobs)
    report.add("round trips to Redis of a job", len(asked.round_trips) / jobs, MOST_ROUND_TRIPS)
    for name, each in used.items():
        limit = MOST_MS if name == "the worker" else None
        report.add(f"processor time of {name} for a job", each, limit, " ms", why="it does not run on this machine")
    return report


if __name__ == "__main__":
    _report.main(run)
