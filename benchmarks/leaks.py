"""Memory of a worker over 50,000 no-ops: at the first 5,000 and at the end, of the worker and of its work-horses.

Each work-horse notes its peak as it ends (`_probe`). Where Frappe has workers that don't fork, one of them is measured
as well: there everything that a job leaves behind adds up. Another number of jobs is the argument.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass

import frappe

from benchmarks import _probe, _report, _site, _window, _workers
from dartwing_core.jobs.line import queue_view
from tests.support import factory
from tests.support.waiting import until

JOBS, ORGANIZATIONS = 50_000, 20
EARLY = 10
"""The first look is taken after a tenth of the jobs."""
PATIENCE = 1_200
MOST_MB = 2
"""MB that count as no growth: allocator and kernel move a process by about 1 MB."""


@dataclass(frozen=True)
class Growth:
    """MB at the first look and at the end."""

    early: float
    late: float

    @property
    def mb(self) -> float:
        return self.late - self.early

    def row(self, text: str) -> list[object]:
        return [text, self.early, self.late, self.mb]


def forking(jobs: int) -> tuple[Growth, Growth]:
    """Resident memory of the worker, and the median peak of its work-horses before and after the first look."""
    factory.wipe()
    _site.line_up("nothing", jobs, ORGANIZATIONS)
    with _workers.probed_workers(1) as (worker,):
        _wait_for(jobs // EARLY, worker)
        early, begun = worker.memory().resident, len(worker.horses())
        _wait_for(jobs, worker)
        until(lambda: not worker.children(), 30, "the end of the last slice")
        peaks = [horse.peak for horse in worker.horses()]
        resident = Growth(early, worker.memory().resident)
    first, last = peaks[: max(1, begun)], peaks[max(1, begun) : -1] or peaks[-1:]
    return resident, Growth(statistics.median(first), statistics.median(last[-len(first) :]))


def not_forking(jobs: int) -> Growth:
    """Resident memory of the one process that runs all."""
    factory.wipe()
    _site.line_up("nothing", jobs, ORGANIZATIONS)
    with _workers.no_fork_workers(1) as (pool,):
        (process,) = pool.children()
        _wait_for(jobs // EARLY, pool)
        early = _resident(process)
        _wait_for(jobs, pool)
        if pool.children() != [process]:
            raise SystemExit("The pool has replaced its worker, so this says nothing of its memory.")
        return Growth(early, _resident(process))


def _resident(pid: int) -> float:
    return _probe.of_process(pid)["resident"]


def _wait_for(jobs: int, worker: _workers.Worker) -> None:
    """Until so many are completed. The worker is woken where it has stopped."""
    queue_view.ring_for_line()
    until(lambda: _window.completed() >= jobs, PATIENCE, f"the end of {jobs:,} jobs; see {worker.process.log}")


def run(jobs: int = JOBS) -> _report.Report:
    report = _report.Report(f"leaks: memory of a worker over {jobs:,} no-ops")
    found: dict[str, Growth] = {}
    with _site.site():
        print(_report.where())
        found["worker"], found["peak of its work-horses"] = forking(jobs)
        if _workers.has_no_fork_workers():
            found["worker that doesn't fork"] = not_forking(jobs)
    head = ["MB", f"after {jobs // EARLY:,}", f"after {jobs:,}", "growth"]
    report.table(head, [growth.row(text) for text, growth in found.items()])
    for text, growth in found.items():
        report.target(f"{text}: growth from {jobs // EARLY:,} to {jobs:,} jobs", growth.mb, MOST_MB, " MB")
    if len(found) < 3:
        report.skip("worker that doesn't fork", f"Frappe {frappe.__version__} has none")
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./dev bench leaks")
    parser.add_argument("jobs", type=int, nargs="?", default=JOBS)
    run(parser.parse_args().jobs).exit()
