"""From the kill of a work-horse to the first line of its job's next attempt, with the lease as it is set.

First beside the agent: work-horses are killed, and their workers live on idle. Then with one other worker alone, which
is busy with jobs of a second: workers are killed together with their work-horses, there is no agent and no scheduler,
and nobody submits meanwhile. Several at a time, each at a random moment of its attempt. Another number of kills than 10
is the argument.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import frappe
import psutil

from benchmarks import _report, _site, _workers
from dartwing_core.jobs import submit_jobs
from dartwing_core.jobs.lib import config
from tests.support.processes import start_agent
from tests.support.waiting import until

KILLS, AT_ONCE = 10, 4
EARLIEST, LATEST = 0.5, 8.0  # seconds of the attempt: before its heartbeat has begun, and between two beats
BUSY_JOBS = 45
PATIENCE = 120
AGENT_TARGET, WORKER_TARGET = 22, 25


class Notes:
    """The lines that attempts write when they begin."""

    def __init__(self) -> None:
        self.path = Path(os.environ["DW_RUN_DIR"]) / f"attempts-{os.urandom(4).hex()}"
        self.path.touch()

    def begun(self, attempt: int) -> dict[str, tuple[int, float]]:
        """By job: the process that made this attempt, and when it began."""
        lines = [line.split() for line in self.path.read_text().splitlines()]
        return {job: (int(pid), float(moment)) for job, number, pid, moment in lines if int(number) == attempt}


def submit(job_type: str, number: int, priority: str, **parameters: object) -> None:
    common = {"job_type": job_type, "organization": _site.ORGANIZATION, "priority": priority}
    submit_jobs(common | {"parameters": parameters | {"number": n}} for n in range(number))
    frappe.db.commit()


def kill_horse(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def kill_worker(pid: int) -> None:
    """The work-horse and its worker."""
    for victim in (psutil.Process(pid).ppid(), pid):
        os.kill(victim, signal.SIGKILL)


def kill_some(kill: Callable[[int], None], dice: random.Random, *, beside_a_busy_worker: bool) -> list[float]:
    """Seconds from each kill to the next attempt of that job."""
    notes = Notes()
    submit("test_benchmark", AT_ONCE, "Critical", path=str(notes.path))
    victims = until(lambda: len(found := notes.begun(1)) == AT_ONCE and found, PATIENCE, "the first attempts")
    if beside_a_busy_worker:
        submit("test_benchmark_second", BUSY_JOBS, "Low")
    killed = {}
    moments = {job: began + dice.uniform(EARLIEST, LATEST) for job, (_, began) in victims.items()}
    for job in sorted(moments, key=moments.__getitem__):
        time.sleep(max(0, moments[job] - time.time()))
        killed[job] = time.time()
        kill(victims[job][0])
    rescued = until(lambda: len(found := notes.begun(2)) == AT_ONCE and found, PATIENCE, "the next attempts")
    return [rescued[job][1] - moment for job, moment in killed.items()]


@contextmanager
def agent() -> Iterator[None]:
    process = start_agent()
    try:
        yield
    finally:
        process.stop()


def _prepare() -> None:
    """Jobs of the round before, whose entries went with its queue, would keep the busy worker idle."""
    _site.factory.wipe()
    _site.job_type("benchmark", "linger", max_retries=0)
    _site.job_type("benchmark_second", "second")
    frappe.set_user(_site.member())


def measure(kills: int, dice: random.Random, *, with_agent: bool) -> list[float]:
    """Seconds of at least so many rescues."""
    seconds: list[float] = []
    for _round in range(math.ceil(kills / AT_ONCE)):
        _prepare()
        with _workers.workers(AT_ONCE + (not with_agent)), agent() if with_agent else contextlib.nullcontext():
            kill = kill_horse if with_agent else kill_worker
            seconds += kill_some(kill, dice, beside_a_busy_worker=not with_agent)
    return seconds


def run(kills: int = KILLS) -> _report.Report:
    report = _report.Report("rescue: from the kill of a work-horse to the start of its job's next attempt")
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    with _site.site():
        print(_report.where())
        lease = config.settings().lease_seconds
        found = {
            "agent, idle workers": measure(kills, dice, with_agent=True),
            "another busy worker only": measure(kills, dice, with_agent=False),
        }
    rows = [
        [name, len(times), min(times), statistics.median(times), _report.percentile(times, 95), max(times)]
        for name, times in found.items()
    ]
    report.table([f"s, lease of {lease} s, seed {seed}", "kills", "min", "p50", "p95", "max"], rows)
    for (name, times), limit in zip(found.items(), (AGENT_TARGET, WORKER_TARGET), strict=True):
        report.target(f"{name}: p95", _report.percentile(times, 95), limit, " s")
    return report


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else KILLS).exit()
