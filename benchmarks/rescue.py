"""From the kill of a work-horse to the first line of its job's next attempt, with the lease as it is set.

First beside the agent: work-horses are killed, and their workers live on idle. Then with one other worker alone, which
is busy with jobs of a second: workers are killed together with their work-horses, there is no agent and no scheduler,
and nobody submits meanwhile. Several at a time, each at a random moment of its attempt. Another number of kills than 10
is the argument.
"""

from __future__ import annotations

import math
import os
import random
import signal
import time
from contextlib import ExitStack
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

    def wait_for(self, attempt: int) -> dict[str, tuple[int, float]]:
        """By job, once all have begun: the process that made this attempt, and when it began."""
        return until(lambda: len(found := self._begun(attempt)) == AT_ONCE and found, PATIENCE, f"attempts {attempt}")

    def _begun(self, attempt: int) -> dict[str, tuple[int, float]]:
        lines = [line.split() for line in self.path.read_text().splitlines()]
        return {job: (int(pid), float(moment)) for job, number, pid, moment in lines if int(number) == attempt}


def submit(job_type: str, number: int, priority: str, **parameters: object) -> None:
    common = {"job_type": job_type, "organization": _site.ORGANIZATION, "priority": priority}
    submit_jobs(common | {"parameters": parameters | {"number": n}} for n in range(number))
    frappe.db.commit()


def kill_some(dice: random.Random, *, with_agent: bool) -> list[float]:
    """Seconds from each kill to the next attempt of that job."""
    notes = Notes()
    submit("test_benchmark", AT_ONCE, "Critical", path=str(notes.path))
    victims = notes.wait_for(1)
    if not with_agent:
        submit("test_benchmark_second", BUSY_JOBS, "Low")
    killed = {}
    moments = {job: began + dice.uniform(EARLIEST, LATEST) for job, (_, began) in victims.items()}
    for job in sorted(moments, key=moments.__getitem__):
        time.sleep(max(0, moments[job] - time.time()))
        killed[job] = time.time()
        horse = victims[job][0]
        for pid in [horse] if with_agent else [psutil.Process(horse).ppid(), horse]:
            os.kill(pid, signal.SIGKILL)
    rescued = notes.wait_for(2)
    return [rescued[job][1] - moment for job, moment in killed.items()]


def measure(kills: int, dice: random.Random, *, with_agent: bool) -> list[float]:
    """Seconds of at least so many rescues."""
    seconds: list[float] = []
    for _round in range(math.ceil(kills / AT_ONCE)):
        _site.factory.wipe()  # jobs whose entries went with the queue of the round before would keep a worker idle
        _site.job_type("benchmark", "linger", max_retries=0)
        _site.job_type("benchmark_second", "second")
        frappe.set_user(_site.member())
        with ExitStack() as processes:
            processes.enter_context(_workers.workers(AT_ONCE + (not with_agent)))
            if with_agent:
                processes.callback(start_agent().stop)
            seconds += kill_some(dice, with_agent=with_agent)
    return seconds


def run(kills: int = KILLS) -> _report.Report:
    report = _report.Report("rescue: from the kill of a work-horse to the start of its job's next attempt")
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    with _site.site():
        lease = config.settings().lease_seconds
        found = {
            "agent, idle workers": measure(kills, dice, with_agent=True),
            "another busy worker only": measure(kills, dice, with_agent=False),
        }
    rows = [[name, len(times), min(times), *_report.spread(times)] for name, times in found.items()]
    report.table([f"s, lease of {lease} s, seed {seed}", "kills", "min", "p50", "p95", "max"], rows)
    for (name, times), limit in zip(found.items(), (AGENT_TARGET, WORKER_TARGET), strict=True):
        report.add(f"{name}: p95", _report.percentile(times, 95), limit, " s")
    return report


if __name__ == "__main__":
    _report.main(run)
