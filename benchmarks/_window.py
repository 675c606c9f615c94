"""The work of workers in some seconds while many jobs are in line, and its processor time."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import frappe
import psutil

from benchmarks import _workers
from dartwing_core.jobs.line import queue_view
from tests.support import database
from tests.support.processes import queue_client
from tests.support.settings import settings
from tests.support.waiting import until

FIRST_JOBS = 100
"""So many jobs are not counted: workers start, and caches fill."""
COMPLETED = "SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Completed'"


@dataclass(frozen=True)
class Costs:
    """Seconds of a processor since the start of the processes."""

    workers: float
    database: float | None
    """None if MariaDB does not run on this machine, or not as a process that we can see."""
    redis: float

    @classmethod
    def now(cls, workers: list[_workers.Worker]) -> Costs:
        return cls(sum(seconds_of_family(worker.pid) for worker in workers), _database(), _redis())


@dataclass(frozen=True)
class Window:
    """Jobs done in so many seconds, and processor time of each in milliseconds."""

    jobs: int
    seconds: float
    worker_ms: float
    database_ms: float | None
    redis_ms: float

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.jobs / self.seconds


def observe(workers: int, seconds: float) -> Window:
    """Let so many workers take from the line; afterwards it is paused as long as workers end."""
    with ExitStack() as at_the_end, _workers.workers(workers) as started:
        begin(workers)
        before, first, began = Costs.now(started), completed(), time.monotonic()
        time.sleep(seconds)
        after, done, took = Costs.now(started), completed() - first, time.monotonic() - began
        at_the_end.enter_context(settings(is_paused=1))  # ends after the workers: they would go on
    return window(done, took, before, after)


def window(jobs: int, seconds: float, before: Costs, after: Costs) -> Window:
    def each(used: float) -> float:
        return 1000 * used / jobs

    has_database = before.database is not None and after.database is not None
    return Window(
        jobs,
        seconds,
        each(after.workers - before.workers),
        each(after.database - before.database) if has_database else None,  # type: ignore[operator]
        each(after.redis - before.redis),
    )


def begin(workers: int) -> None:
    """Wake workers for the line, and wait until all of them are at work."""
    before = completed()
    queue_view.ring_for_line()
    until(lambda: completed() >= before + FIRST_JOBS * workers, 120, "the first jobs")


def completed() -> int:
    return database.value(COMPLETED)


def seconds_of_family(pid: int) -> float:
    """Processor time of a process, its children, and those that have ended."""
    process = psutil.Process(pid)
    while True:
        ended, used = process.cpu_times()[2:4], 0.0
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                used += sum(child.cpu_times()[:2])
        own = process.cpu_times()
        if own[2:4] == ended:  # otherwise a child ended meanwhile, and would count twice
            return used + sum(own[:4])


def _database() -> float | None:
    """By the file in which the server keeps its process id."""
    path, folder = frappe.db.sql("SELECT @@pid_file, @@datadir")[0]
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(Path(folder, path).read_text()))
        if process.name().startswith(("mariadbd", "mysqld")):
            return sum(process.cpu_times()[:2])
    return None


def _redis() -> float:
    used = queue_client().info("cpu")
    return used["used_cpu_user"] + used["used_cpu_sys"]
