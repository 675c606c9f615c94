"""The layouts of a bench: which of Frappe's own processes run, in the order in which they begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import psutil

from dartwing_core.jobs.rq import due_sites

from . import database, processes
from .processes import Process, Sites
from .waiting import until

WORKERS, POOL, SCHEDULE = "workers", "pool", "schedule"
UNFORKED, FORKSERVER = "pool that does not fork", "pool that does not fork, by forkserver"
LAYOUTS = {
    "A: workers, bench schedule": (WORKERS, SCHEDULE),
    "B: a pool, then bench schedule": (POOL, SCHEDULE),
    "B2: bench schedule, then a pool": (SCHEDULE, POOL),
    "C: a pool alone": (POOL,),
    "D: workers alone": (WORKERS,),
    "E: a pool alone that does not fork": (UNFORKED,),
    "E2: the same, by forkserver": (FORKSERVER,),
}
_FORKSERVER = "import multiprocessing; multiprocessing.set_start_method('forkserver')"
"""How children of Python 3.14 come to be, on an older one."""
_WORKERS = (
    "SELECT worker FROM `tabJob Execution Log` WHERE background_job = %s AND to_status = 'Running' ORDER BY creation"
)


@contextmanager
def running(names: Sequence[str], sites: Sites, workers: int = 2) -> Iterator[list[Process]]:
    """These processes, each with so many workers. Begins when one of them watches over due sites."""
    pool = partial(processes.start_pool, workers, sites)
    starts: dict[str, Callable[[], list[Process]]] = {
        WORKERS: lambda: processes.start_workers(workers, sites=sites),
        POOL: lambda: [pool()],
        UNFORKED: lambda: [pool(FRAPPE_BACKGROUND_WORKERS_NOFORK="1")],
        FORKSERVER: lambda: [pool(through=_FORKSERVER, FRAPPE_BACKGROUND_WORKERS_NOFORK="1")],
        SCHEDULE: lambda: [processes.start_scheduler(sites)],
    }
    started: list[Process] = []
    try:
        for name in names:
            started.extend(starts[name]())
        until(leader, 60, "the first look")
        yield started
    finally:
        processes.stop_all(started)


def leader() -> bytes | None:
    """Host and process of the one that watches over due sites."""
    due: Any = due_sites.of_bench()
    return due.client.get(due._leader)


def workers_of(job: str) -> list[str]:
    """Host and process of each attempt of a job, in their order."""
    return [name for (name,) in database.rows(_WORKERS, job)]


def horse_of(job: str) -> psutil.Process:
    """The process that runs a job."""
    return psutil.Process(int(workers_of(job)[-1].rpartition(":")[2]))
