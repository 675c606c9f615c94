"""Frappe's own workers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import psutil
from frappe.utils import background_jobs

from tests.support.processes import Process, queue_client, stop_all
from tests.support.waiting import until


class Worker(Process):
    """A genuine Frappe worker, or a pool of them."""

    def children(self) -> list[int]:
        """The processes that it has started: work-horses, or the workers of a pool."""
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]


def wait_until_idle(workers: Sequence[Worker]) -> None:
    """Wait for the end of all work-horses."""
    until(lambda: not any(worker.children() for worker in workers), 30, "the end of the processes")


def workers(number: int, *, through: str = "") -> AbstractContextManager[list[Worker]]:
    """So many workers, which listen when this begins and have ended when it ends; started by that module of ours."""
    command = json.loads(os.environ["DW_WORKER_COMMAND"])
    if through:
        command.insert(command.index("-m") + 1, through)
    return _started([command] * number, number)


def unprepared_workers(number: int) -> AbstractContextManager[list[Worker]]:
    """So many workers as on a bench without the app, for bare jobs alone."""
    return workers(number, through="benchmarks._unprepared")


def has_no_fork_workers() -> bool:
    """Whether this Frappe has workers that run jobs without a fork: 16 has, 15 has not."""
    return any(name.endswith("WorkerNoFork") for name in vars(background_jobs))


def no_fork_workers(number: int) -> AbstractContextManager[list[Worker]]:
    """A pool of so many workers that don't fork, as one process with so many children."""
    command = ["env", "FRAPPE_BACKGROUND_WORKERS_NOFORK=1", *json.loads(os.environ["DW_POOL_COMMAND"]), str(number)]
    return _started([command], number)


@contextmanager
def _started(commands: Sequence[list[str]], number: int) -> Iterator[list[Worker]]:
    """Processes with these commands, in which `number` workers listen."""
    client = queue_client()
    client.flushdb()  # setting up has enqueued work of Frappe's own
    started = [Worker("worker", command) for command in commands]
    try:
        ended = lambda: [worker for worker in started if not worker.running]  # noqa: E731
        until(lambda: client.scard("rq:workers") == number or ended(), 60, "the start of the workers")
        if gone := ended():
            raise RuntimeError(gone[0].tail())
        yield started
    finally:
        stop_all(started)
        client.flushdb()
