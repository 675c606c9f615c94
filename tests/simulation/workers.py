"""What workers do in the simulation's world.

Their work is split, so that anything can happen in between: `deliver` lets a worker answer an entry and take a job,
`finish` runs the handler and settles, with or without taking the next job along, `crash` forgets what was taken, `wake`
settles a forgotten one long after.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timezone

import frappe
from frappe.utils.background_jobs import generate_qname

from dartwing_core.jobs.after import after_settle
from dartwing_core.jobs.job import circuits, find
from dartwing_core.jobs.line import claim, wake
from dartwing_core.jobs.line.claim import ClaimedJob
from dartwing_core.jobs.rq import doorbells, redis_queue
from tests.simulation.state import State
from tests.support import attempts, processes, queues

MESSAGE = re.compile(rb"(JOB-[0-9A-Z]+)-(\d+)-[0-9a-f]+$")
SERVED = {"all": queues.ALL, "first": ("short",), "others": ("long", "default"), "two": ("short", "default")}
"""The workers that there may be, and what they serve, in their order."""


class Slice:
    """A process of a worker, which makes one attempt after another."""

    def __init__(self, worker: str, ends_at: float = math.inf, queue: str = ""):
        self.worker, self.queue = worker, queue
        self.claimer = claim.Claimer(SERVED[worker], ends_at)
        self.job: ClaimedJob | None = None
        """What it was about to do when last looked at."""


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
            self.finish(self.some_slice())

    def do_finish_and_die(self) -> None:
        """Right after the commit; if it took a job along, nobody makes that."""
        if self.in_flight:
            self.settle(found := self.some_slice(), dies=True)
            if found.job:
                self.lost.append(found)

    def do_crash(self) -> None:
        if self.in_flight:
            self.lost.append(self.some_slice())

    def do_wake(self) -> None:
        if self.lost:
            self.wake(self.lost.pop(self.dice.randrange(len(self.lost))))

    def wake(self, late: Slice) -> None:
        """One that was given up settles, and goes on if it was not."""
        self.settle(late)
        self.go_on(late)

    def some_slice(self) -> Slice:
        return self.in_flight.pop(self.dice.randrange(len(self.in_flight)))

    def some_idle_worker(self) -> str | None:
        busy = {slice_.worker for slice_ in self.in_flight}
        names = [name for name in self.workers() if name not in busy]
        return self.dice.choice(names) if names else None

    def workers(self) -> list[str]:
        """Those that Redis knows."""
        known = processes.queue_client().keys("rq:worker:*")
        return sorted(key.decode().removeprefix("rq:worker:") for key in known)

    # One process

    def deliver(self, worker: str) -> bool:
        """It answers an entry and takes a job, if there is an entry for it; whether there was."""
        entry, its_queue = self.pop_entry(worker)
        if entry is None:
            return False
        client = processes.queue_client()
        limit = float(client.hget(b"rq:job:" + entry, "timeout") or math.inf)
        client.delete(b"rq:job:" + entry)
        self.claim_next(Slice(worker, time.monotonic() + limit + find.OVERTIME, its_queue))
        return True

    def claim_next(self, slice_: Slice) -> None:
        """It takes a job by a look of its own, or its slice ends."""
        slice_.job = None
        before = self.circuits()
        slice_.claimer.view.good_until = 0
        taken = slice_.claimer.claim_next()
        slice_.claimer.view.good_until = math.inf  # until `outdate_looks`
        if taken:
            self.began(slice_, taken, before)
            self.in_flight.append(slice_)
        else:
            self.end(slice_, rings=bool(slice_.claimer.needs_entry))

    def end(self, slice_: Slice, *, rings: bool) -> None:
        if slice_.claimer.needs_entry:
            doorbells.ring_first(slice_.claimer.needs_entry, slice_.queue)
            self.at_front += 1
        if rings:
            wake.wake_for_line()

    def claim(self, name: str, attempt: int) -> None:
        """It is to be made outside of workers."""
        outside, before = Slice("all"), self.circuits()
        taken = outside.claimer.claim_named(name, attempt)
        if taken:
            outside.claimer.view.good_until = 0
            self.began(outside, taken, before)
            self.lost.append(outside)  # its end, if it has one, comes when it wakes

    def began(self, slice_: Slice, taken: ClaimedJob, before: Mapping[str, circuits.Circuit]) -> None:
        slice_.job, job = taken, taken.row
        if circuit := before.get(job["organization"]):
            assert not circuit.stops_jobs, (job, circuit)
            self.probes.append(job)

    def circuits(self) -> dict[str, circuits.Circuit]:
        """Those that are not closed, by organization, if the breaker is on."""
        frappe.db.rollback()
        if not circuits.has_breaker(frappe.get_doc("Job Type", self.job_type)):
            return {}
        return {organization: found for (organization, _type), found in circuits.of_types([self.job_type]).items()}

    def finish(self, slice_: Slice) -> None:
        """It settles, and does another job or ends."""
        self.settle(slice_)
        self.go_on(slice_)

    def go_on(self, slice_: Slice) -> None:
        if slice_.job:
            self.in_flight.append(slice_)
        elif slice_.claimer.needs_entry or self.dice.random() < 0.3:
            self.end(slice_, rings=True)
        else:
            self.claim_next(slice_)

    def settle(self, slice_: Slice, dies: bool = False) -> None:
        """`dies`: the process does, right after its commit. What it took along is in its hands."""
        before, goes_on = self.circuits(), self.dice.random() < 0.7
        job, slice_.job = slice_.job, None
        attempt = attempts.of(job)
        next_job = attempt.make(slice_.claimer if goes_on else None)
        frappe.set_user("Administrator")
        if attempt.end and not dies:
            attempt.started -= find.OVERTIME if self.seldom() else 0
            after_settle.follow_up(attempt, is_hurried=next_job is not None)
        if next_job:
            slice_.claimer.view.good_until = math.inf
            self.began(slice_, next_job, before)

    def outdate_looks(self) -> None:
        """Limits and pauses are in force a quarter of a second after they were set: later than any look."""
        for slice_ in (*self.in_flight, *self.lost):
            slice_.claimer.view.good_until = 0

    # Work, as long as there is some

    def finish_all(self) -> None:
        """All who work end what they do, and take nothing else."""
        while self.in_flight:
            slice_ = self.some_slice()
            slice_.claimer.view.good_until = 0
            self.settle(slice_)

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
