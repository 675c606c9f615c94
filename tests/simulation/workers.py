"""What workers do in the simulation's world, each with the loop of a process (`executor.Loop`).

Anything can happen between two steps of a loop: `deliver` lets a worker answer an entry and claim a job, `finish` makes
a step, in which it runs the handler, settles, and may claim the next job. `crash` forgets what a process holds, `wake`
lets a forgotten one go on long after.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from random import Random
from typing import Any

import frappe
from frappe.utils.background_jobs import generate_qname

from dartwing_core.jobs import executor
from dartwing_core.jobs.job import circuits, find
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.line.claim import ClaimedJob, Claimer
from dartwing_core.jobs.rq import doorbells, redis_queue
from tests.simulation.state import State
from tests.support import processes, queues

MESSAGE = re.compile(rb"(JOB-[0-9A-Z]+)-(\d+)-[0-9a-f]+$")
SERVED = {"all": queues.ALL, "first": ("short",), "others": ("long", "default"), "two": ("short", "default")}
"""The workers that there may be, and what they serve, in their order."""


class Died(BaseException):
    """The process dies right after a commit."""


@dataclass(slots=True)
class Entry(doorbells.Entry):
    """An entry whose worker is asked to end now and then."""

    dice: Random | None = None
    is_last: bool = False
    """Whether its process is to run no other job."""

    def refresh_now(self) -> None:
        """Ask the dice."""
        self.is_worker_ending = self.is_last or (self.dice is not None and self.dice.random() < 0.3)

    refresh = refresh_now


class WatchedClaimer(Claimer):
    """Tells the world of each job that it claims by a look at the line, and of the circuits just before."""

    def __init__(self, world: Workers, *given: Any):
        super().__init__(*given)
        self.world = world

    def claim_next(self) -> ClaimedJob | None:
        """Claim the next job."""
        before = self.world.circuits()
        return self.world.told(super().claim_next(), before)

    def claim_named(self, name: str, attempt: int) -> ClaimedJob | None:
        """Claim this job."""
        before = self.world.circuits()
        return self.world.told(super().claim_named(name, attempt), before)

    def claim_lone(self, name: str, attempt: int) -> ClaimedJob | None:
        """Claim this job if it is alone, and has no circuit."""
        taken = super().claim_lone(name, attempt)
        assert not taken or not self.world.circuits()
        return taken

    def start_next(self) -> ClaimedJob | None:
        """Claim the next job with a settle, if it has no circuit."""
        taken = super().start_next()
        assert not taken or not config.has_breaker(taken.job_type)
        return taken


class Process:
    """A process of a worker, or one outside of workers, which makes one attempt after another."""

    def __init__(self, world: Workers, worker: str = "", limit: float = math.inf, queue: str = ""):
        self.worker, self.entry, self.claimer = worker, None, WatchedClaimer(world)
        if worker:
            self.entry = Entry("entry", limit, "rq:worker:of-a-test", queue, SERVED[worker], dice=world.dice)
            self.claimer = WatchedClaimer(world, None, time.monotonic() + limit + find.OVERTIME, self.entry)
        self.loop = executor.Loop(self.claimer, self.entry)


class Workers(State):
    def do_serve(self) -> None:
        """A worker says which queues it serves, as it does now and then."""
        name = self.dice.choice(sorted(SERVED))
        queues.serve(name, *SERVED[name])

    def do_serve_no_more(self) -> None:
        if self.seldom():
            self.leave(self.dice.choice(sorted(SERVED)))

    def leave(self, name: str) -> None:
        client = processes.queue_client()
        client.delete(f"rq:worker:{name}")
        for queue in SERVED[name]:
            client.srem(f"rq:workers:{generate_qname(queue)}", f"rq:worker:{name}")

    def do_deliver(self) -> None:
        if worker := self.some_idle_worker():
            self.deliver(worker)

    def do_deliver_twice(self) -> None:
        """One attempt is made outside of workers, by two who were told of it."""
        if job := self.some_job("Queued"):
            self.claim(job["name"], job["attempt"] + 1)
            self.claim(job["name"], job["attempt"] + 1)

    def do_claim_an_old_attempt(self) -> None:
        if self.old_messages:
            self.claim(*self.dice.choice(self.old_messages))

    def do_finish(self) -> None:
        if self.in_flight:
            self.finish(self.some_process())

    def do_finish_and_die(self) -> None:
        """Right after the commit; if it took a job along, nobody makes that."""
        if not self.in_flight:
            return
        process = self.some_process()

        def die(_attempt: Any) -> None:
            raise Died

        process.loop._clear_up = die
        try:
            process.loop.step(process.loop.attempt)
        except Died:
            del process.loop._clear_up
            frappe.db.rollback()
            process.loop._context.restore()
        if process.loop.attempt:
            self.lost.append(process)

    def do_crash(self) -> None:
        if self.in_flight:
            self.lost.append(self.some_process())

    def do_wake(self) -> None:
        if self.lost:
            self.wake(self.lost.pop(self.dice.randrange(len(self.lost))))

    def wake(self, late: Process) -> None:
        """One that was given up goes on."""
        self.finish(late)

    def some_process(self) -> Process:
        return self.in_flight.pop(self.dice.randrange(len(self.in_flight)))

    def some_idle_worker(self) -> str | None:
        busy = {process.worker for process in self.in_flight}
        names = [name for name in self.workers() if name not in busy]
        return self.dice.choice(names) if names else None

    def workers(self) -> list[str]:
        """Those that Redis knows."""
        known = processes.queue_client().keys("rq:worker:*")
        return sorted(key.decode().removeprefix("rq:worker:") for key in known)

    # One process

    def deliver(self, worker: str) -> bool:
        """It answers an entry and claims a job, if there is an entry for it; whether there was."""
        entry, its_queue = self.pop_entry(worker)
        if entry is None:
            return False
        client = processes.queue_client()
        limit = float(client.hget(b"rq:job:" + entry, "timeout") or math.inf)
        client.delete(b"rq:job:" + entry)
        process = Process(self, worker, limit, its_queue)
        process.loop.hold(process.loop._claim_first(*self.old_messages[-1]))
        self.go_on(process)
        return True

    def claim(self, name: str, attempt: int) -> None:
        """It is to be made outside of workers."""
        outside = Process(self)
        outside.loop.hold(outside.claimer.claim_named(name, attempt))
        if outside.loop.attempt:
            self.lost.append(outside)  # its end, if it has one, comes when it wakes

    def told(self, taken: ClaimedJob | None, before: dict[str, circuits.Circuit]) -> ClaimedJob | None:
        """A job was claimed, or none; `before`: what its circuit was then."""
        if taken and (circuit := before.get(taken.row["organization"])):
            assert not circuit.stops_jobs, (taken.row, circuit)
            self.probes.append(taken.row)
        return taken

    def circuits(self) -> dict[str, circuits.Circuit]:
        """Those that are not closed, by organization, if the breaker is on."""
        frappe.db.rollback()
        if not config.has_breaker(frappe.get_doc("Job Type", self.job_type)):
            return {}
        return {organization: found for (organization, _type), found in circuits.of_types([self.job_type]).items()}

    def finish(self, process: Process) -> None:
        """It runs its job and settles, and holds another job or ends."""
        process.loop.step(process.loop.attempt)
        self.go_on(process)

    def go_on(self, process: Process) -> None:
        if process.loop.attempt:
            self.in_flight.append(process)
        else:
            self.at_front += bool(process.claimer.needs_entry)
            process.loop.end()

    def outdate_looks(self) -> None:
        """Limits and pauses are in force a quarter of a second after they were set: later than any look."""
        for process in (*self.in_flight, *self.lost):
            process.claimer.view.good_until = 0

    # Work, as long as there is some

    def finish_all(self) -> None:
        """All who work end what they do, and take nothing else."""
        while self.in_flight:
            process = self.some_process()
            process.entry.is_last = True
            self.finish(process)

    def work(self) -> None:
        """Do all that workers have heard of, as they do."""
        while True:
            while self.in_flight:
                self.finish(self.in_flight.pop())
            if not any(self.deliver(name) for name in self.workers()):
                return

    def pop_entry(self, worker: str) -> tuple[bytes | None, str]:
        """The next entry for a worker, which is its from now on, and the queue that had it."""
        client = processes.queue_client()
        for queue in SERVED[worker]:
            while entry := client.lpop(redis_queue.list_key(queue)):
                if found := MESSAGE.search(entry):  # or it is Frappe's own, such as the clean-up after a deletion
                    self.old_messages.append((found[1].decode(), int(found[2])))
                    return entry, queue
        return None, ""

    def lose_an_entry(self) -> None:
        """A worker takes it out of its list and dies, before it begins or after that."""
        names = self.workers()
        entry = self.pop_entry(self.dice.choice(names))[0] if names else None
        if entry and self.dice.random() < 0.5:
            began = datetime.fromtimestamp(self.now(), timezone.utc).isoformat().replace("+00:00", "Z")
            processes.queue_client().hset(b"rq:job:" + entry, mapping={"status": "started", "started_at": began})

    def listed(self) -> Counter[str]:
        """How many entries of ours are in each queue's list."""
        return Counter({queue: len(queues.listed(queue)) for queue in queues.ALL})
