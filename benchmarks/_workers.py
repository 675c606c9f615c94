"""Frappe's own workers, and what they and their work-horses say of their memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
    """A genuine Frappe worker, with `probe` under `_probe`."""

    def __init__(self, *, probe: bool) -> None:
        command = json.loads(os.environ["DW_WORKER_COMMAND"])
        if probe:
            self._notes = Path(os.environ["DW_RUN_DIR"]) / f"memory-{os.urandom(4).hex()}.jsonl"
            self._notes.touch()
            module = command.index("-m") + 1
            command = ["env", f"DW_MEMORY_NOTES={self._notes}", *command]
            command[module + 2 : module + 2] = [_probe.__name__]
        self.process = Process("worker", command)

    def memory(self) -> Memory:
        return Memory(**_probe.of_process(self.process.pid))

    def horses(self) -> list[Memory]:
        """The memory of each work-horse at its end, in the order of their ends."""
        return [Memory(**json.loads(line)) for line in self._notes.read_text().splitlines()]


@contextmanager
def workers(number: int, *, probe: bool = False) -> Iterator[list[Worker]]:
    """So many workers, which listen when this begins and have ended when it ends."""
    client = queue_client()
    client.flushdb()  # setting up has enqueued work of Frappe's own
    started: list[Worker] = []
    try:
        for _ in range(number):
            started.append(Worker(probe=probe))
        until(lambda: client.scard("rq:workers") == number or _ended(started), 60, "the start of the workers")
        if gone := _ended(started):
            raise RuntimeError(gone[0].process.log.read_text()[-2000:])
        yield started
    finally:
        for worker in started:
            worker.process.stop()
        client.flushdb()


def _ended(workers: list[Worker]) -> list[Worker]:
    return [worker for worker in workers if worker.process.popen.poll() is not None]
