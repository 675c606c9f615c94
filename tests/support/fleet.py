"""Workers to kill: who they are, their work-horses, and a fresh one for each that is gone."""

from __future__ import annotations

import os
import random
import signal

import psutil

from dartwing_core.jobs.run import outcome

from . import database, processes
from .waiting import until

ON_ITS_LAST = """
    SELECT l.worker FROM `tabBackground Job` j
    JOIN `tabJob Execution Log` l ON l.background_job = j.name AND l.to_status = 'Running'
    WHERE j.status = 'Running' AND j.crash_count >= %s
"""
"""Who runs, or ran, a job for which one crash more is the end."""


class Fleet:
    """A few genuine workers, which watch over due work, and so does the agent unless it is to be missing."""

    def __init__(self, has_agent: bool = True) -> None:
        self.workers: list[processes.Process] = []
        self.agent = processes.start_agent() if has_agent else None
        self.kills = 0

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def hire(self, number: int = 2, queues: str | None = None) -> None:
        """Bring the number of living workers up to this; new ones serve these queues, all by default."""
        self.workers = [worker for worker in self.workers if worker.running]
        self.workers += processes.start_workers(number - len(self.workers), queues)

    def horses(self) -> list[psutil.Process]:
        """The forked processes that run a job right now."""
        found = []
        for worker in self.workers:
            try:
                found += psutil.Process(worker.pid).children(recursive=True)
            except psutil.NoSuchProcess:
                continue
        return found

    def horse(self, seconds: float = 15) -> psutil.Process:
        """A work-horse, when there is one."""
        return until(self.horses, seconds, "a work-horse")[0]

    def kill_one(self, dice: random.Random) -> bool:
        """Kill -9 a work-horse, or now and then a worker together with its horse; False if nobody works.

        A job that has lost all workers but the last it may lose is spared, or it would be a dead letter.
        """
        horses = self.horses()
        spared = {int(name.rpartition(":")[2]) for (name,) in database.rows(ON_ITS_LAST, outcome.MAX_CRASHES - 1)}
        horses = [horse for horse in horses if horse.pid not in spared]
        if not horses:
            return False
        victim = dice.choice(horses)
        try:
            pids = [victim.pid, victim.ppid()] if dice.random() < 0.3 else [victim.pid]
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False  # it has just ended by itself
        self.kills += 1
        return True

    def dismiss(self) -> None:
        """End the workers, and whatever they run."""
        for horse in self.horses():
            try:
                horse.kill()
            except psutil.NoSuchProcess:
                continue
        processes.stop_all(self.workers)

    def stop(self) -> None:
        """End the workers and the agent."""
        self.dismiss()
        if self.agent:
            self.agent.stop()
