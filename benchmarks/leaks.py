"""Memory of a worker over 50,000 no-ops: after the first tenth and at the end, of the worker and of its work-horses.

Of a work-horse, it is the peak as it was last seen. Where Frappe has workers that don't fork, one of them is measured
as well: there everything that a job leaves behind adds up. Another number of jobs is the argument.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import frappe

from benchmarks import _report, _site, _workers
from dartwing_core.jobs.line import queue_view
from tests.support.waiting import until

JOBS, ORGANIZATIONS = 50_000, 20
PATIENCE, PAUSE = 1_200, 0.2
MOST_MB = 2
"""MB that count as no growth: allocator and kernel move a process by about 1 MB."""
RESIDENT, PEAK = "VmRSS", "VmHWM"
Growth = tuple[float, float]
"""MB at the first look and at the end."""


def memory(pid: int, field: str) -> float:
    """MB of 2**20 bytes, as the kernel counts them. Raises OSError or TypeError if the process has ended."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024


def forking(jobs: int) -> tuple[Growth, Growth]:
    """Resident memory of the worker, and the median peak of its work-horses before and after the first look."""
    peaks: dict[int, float] = {}

    def watch() -> None:
        for pid in worker.children():
            with suppress(OSError, TypeError):
                peaks[pid] = memory(pid, PEAK)

    _site.line_up("nothing", jobs, ORGANIZATIONS)
    with _workers.workers(1) as (worker,):
        _wait_for(jobs // 10, worker, watch)
        early, begun = memory(worker.pid, RESIDENT), max(1, len(peaks) - 1)
        _wait_for(jobs, worker, watch)
        _workers.wait_until_idle([worker])
        late, horses = memory(worker.pid, RESIDENT), list(peaks.values())
    last = horses[begun:-1] or horses[-1:]
    return (early, late), (statistics.median(horses[:begun]), statistics.median(last[-begun:]))


def not_forking(jobs: int) -> Growth:
    """Resident memory of the one process that runs all."""
    _site.line_up("nothing", jobs, ORGANIZATIONS)
    with _workers.no_fork_workers(1) as (pool,):
        (process,) = pool.children()
        _wait_for(jobs // 10, pool)
        early = memory(process, RESIDENT)
        _wait_for(jobs, pool)
        if pool.children() != [process]:
            raise SystemExit("The pool has replaced its worker, so this says nothing of its memory.")
        return early, memory(process, RESIDENT)


def _wait_for(jobs: int, worker: _workers.Worker, watch: Callable[[], object] = lambda: None) -> None:
    """Until so many are completed. The worker is woken where it has stopped."""
    queue_view.ring_for_line()
    what = f"the end of {jobs:,} jobs; see {worker.log}"
    until(lambda: time.sleep(PAUSE) or watch() or _site.completed() >= jobs, PATIENCE, what)


def run(jobs: int = JOBS) -> _report.Report:
    report = _report.Report(f"leaks: memory of a worker over {jobs:,} no-ops")
    found: dict[str, Growth | None] = {"worker that doesn't fork": None}
    with _site.site():
        found["worker"], found["peak of its work-horses"] = forking(jobs)
        if _workers.has_no_fork_workers():
            found["worker that doesn't fork"] = not_forking(jobs)
    rows = [[text, *growth] for text, growth in found.items() if growth]
    report.table(["MB", f"after {jobs // 10:,}", f"after {jobs:,}"], rows)
    for text, growth in found.items():
        text, why = f"{text}: growth from {jobs // 10:,} to {jobs:,} jobs", f"Frappe {frappe.__version__} has none"
        report.add(text, growth and growth[1] - growth[0], MOST_MB, " MB", why=why)
    return report


if __name__ == "__main__":
    _report.main(run)
