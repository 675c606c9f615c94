"""A small world around the engine: submitters, workers, an operator and bad luck, all drawn from one seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import frappe

from dartwing_core.jobs import executor
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.line import queue_view
from dartwing_core.jobs.run.heartbeat import HeartbeatThread
from dartwing_core.jobs.status import FINISHED
from dartwing_core.jobs.sweep import sweeper
from tests.simulation.operators import Operators
from tests.simulation.submitters import Submitters
from tests.simulation.workers import Workers
from tests.support import factory, queues
from tests.support.handlers import Upstream

OFTEN = ("deliver",) * 6 + ("finish", "sweep", "serve", "flood") * 2 + ("cap", "jump", "schedule")
"""Drawn more often than the rest, so that jobs run, side by side."""


class World(Submitters, Workers, Operators):
    def __init__(self, seed: int, job_type: str):
        super().__init__(seed, job_type)
        self.actions: dict[str, Callable[[], Any]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    def step(self) -> str:
        """Do one thing; returns its name."""
        name = self.dice.choice([*sorted(self.actions), *OFTEN])
        self.set_database_clock()
        self.actions[name]()
        frappe.db.rollback()
        return name

    def drain(self) -> None:
        """Everything works again, no schedule makes new jobs; time passes until all jobs have ended."""
        Upstream.is_down = False
        frappe.db.delete("Job Schedule", {"job_type": self.job_type})
        self.set_paused(False)
        self.set_setting("paused_queues", "")
        self.set_state(factory.BETA, "Active")
        self.set_type(is_paused=0)
        self.set_organization(factory.BETA, is_paused=0)
        self.lost += self.in_flight
        self.in_flight = []
        queues.serve("all", *queues.ALL)
        for _round in range(100 + 4 * len(self.jobs())):  # an open circuit lets one attempt through in each
            self.offset += 4_000
            self.set_database_clock()
            sweeper.sweep()
            self.work()
            frappe.db.rollback()
            is_over = all(job["status"] in FINISHED for job in self.jobs())
            if is_over and all(row["status"] != "Running" for row in self.batches()):
                return


def live_in(world: World, monkeypatch) -> None:
    """Let the engine live in the world: in its time, with views that are good until they are outdated, and without the
    threads of processes, which all would work at once."""
    renew = executor.connection.renew

    def renew_in_its_time() -> None:
        renew()
        world.set_database_clock()

    monkeypatch.setattr(clock, "now_epoch", world.now)
    monkeypatch.setattr(executor.connection, "renew", renew_in_its_time)
    monkeypatch.setattr(executor, "LINGER_SECONDS", 0)
    monkeypatch.setattr(queue_view, "SHORTEST", 1e9)
    monkeypatch.setattr(queue_view, "LONGEST", 1e9)
    monkeypatch.setattr(HeartbeatThread, "hold", lambda *_given: None)
