"""Frappe's own workers, and what they and their work-horses say of their memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from frappe.utils import background_jobs

from benchmarks import _probe
from tests.support.processes import Process, queue_client
from tests.support.waiting import until


@dataclass
class Memory:
    """Of one process at one moment, in MB of 2**20 bytes."""

    peak: float
    """Most that ever was resident (VmHWM)."""
    resident: float
    proportional: float
    """Resident, where a page that n processes share counts 1/n (PSS)."""
    private: float
    """Pages that no other process shares."""


class Worker:
    """A genuine Frappe worker, or a pool of them; with `through` it is started by that module of ours."""

    def __init__(self, command: Sequence[str], *, through: str = "") -> None:
        command = list(command)
        if through:
            command.insert(command.index("-m") + 1, through)
        self._notes = Path(os.environ["DW_RUN_DIR"]) / f"memory-{os.urandom(4).hex()}.jsonl"
        self._notes.touch()
        self.process = Process("worker", ["env", f"DW_MEMORY_NOTES={self._notes}", *command])

    @property
    def pid(self) -> int:
        return self.process.pid

    def children(self) -> list[int]:
        """The processes that it has started: work-horses, or the workers of a pool."""
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]

    def memory(self) -> Memory:
        return Memory(**_probe.of_process(self.pid))

    def horses(self) -> list[Memory]:
        """The memory of each work-horse at its end, in the order of their ends."""
        return [Memory(**json.loads(line)) for line in self._notes.read_text().splitlines()]


@contextmanager
def workers(number: int, *, through: str = "") -> Iterator[list[Worker]]:
    """So many workers, which listen when this begins and have ended when it ends."""
    command = json.loads(os.environ["DW_WORKER_COMMAND"])
    with _started([command] * number, number, through) as started:
        yield started


def probed_workers(number: int) -> AbstractContextManager[list[Worker]]:
    """So many workers whose work-horses note their memory."""
    return workers(number, through=_probe.__name__)


def unprepared_workers(number: int) -> AbstractContextManager[list[Worker]]:
    """So many workers as on a bench without the app, for bare jobs alone."""
    return workers(number, through="benchmarks._unprepared")


def has_no_fork_workers() -> bool:
    """Whether this Frappe has workers that run jobs without a fork: 16 has, 15 has not."""
    return any(name.endswith("WorkerNoFork") for name in vars(background_jobs))


@contextmanager
def no_fork_workers(number: int) -> Iterator[list[Worker]]:
    """A pool of so many workers that don't fork, as one process with so many children."""
    command = ["env", "FRAPPE_BACKGROUND_WORKERS_NOFORK=1", *json.loads(os.environ["DW_POOL_COMMAND"]), str(number)]
    with _started([command], number) as started:
        yield started


@contextmanager
def _started(commands: Sequence[list[str]], number: int, through: str = "") -> Iterator[list[Worker]]:
    """Processes with these commands, in which `number` workers listen."""
    client = queue_client()
    client.flushdb()  # setting up has enqueued work of Frappe's own
    started: list[Worker] = []
    try:
        for command in commands:
            started.append(Worker(command, through=through))
        until(lambda: client.scard("rq:workers") == number or _ended(started), 60, "the start of the workers")
        if gone := _ended(started):
            raise RuntimeError(gone[0].process.tail())
        yield started
    finally:
        for worker in started:
            worker.process.stop()
        client.flushdb()


def _ended(workers: list[Worker]) -> list[Worker]:
    return [worker for worker in workers if not worker.process.running]
