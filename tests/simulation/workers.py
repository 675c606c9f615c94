"""What workers do in the simulation's world.

They are split in two, so that anything can happen between a claim and its settle: `deliver` claims, `finish` runs the
handler and settles, `crash` forgets the claim, `wake` settles a forgotten one long after.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import frappe

from dartwing_core.jobs import (
    admission,
    circuit_breaker,
    circuits,
    claim,
    executor,
    redis_queue,
)
from tests.simulation.state import State
from tests.support import processes, queues

MESSAGE = re.compile(rb"(JOB-[0-9A-Z]+)-(\d+)$")


class Workers(State):
    def do_serve(self) -> None:
        """A worker says which queues it serves, as it does now and then; only then jobs are lifted."""
        queues.serve("simulated", *queues.ALL)

    def do_serve_no_more(self) -> None:
        if self.seldom():
            processes.queue_client().delete("rq:worker:simulated")

    def do_deliver(self) -> None:
        if message := self.pop_message():
            self.claim(*message)

    def do_deliver_twice(self) -> None:
        if message := self.pop_message():
            self.claim(*message)
            self.claim(*message)

    def do_deliver_an_old_message(self) -> None:
        if self.old_messages:
            self.claim(*self.dice.choice(self.old_messages))

    def do_finish(self) -> None:
        if self.in_flight:
            self.settle(self.in_flight.pop(self.dice.randrange(len(self.in_flight))), dies=self.seldom())

    def do_crash(self) -> None:
        if self.in_flight:
            self.lost.append(self.in_flight.pop(self.dice.randrange(len(self.in_flight))))

    def do_wake(self) -> None:
        if self.lost:
            self.settle(self.lost.pop(self.dice.randrange(len(self.lost))))

    def claim(self, name: str, attempt: int) -> None:
        found = self.circuits()
        job = claim.claim(name, attempt)
        if not job:
            return
        self.in_flight.append(job)
        if circuit := found.get(job["organization"]):
            assert not circuit.is_held, (job, circuit)
            self.probes.append(job)

    def circuits(self) -> dict[str, circuits.Circuit]:
        """Those that are not closed, by organization, if the breaker is on."""
        frappe.db.rollback()
        if not circuits.has_breaker(frappe.get_doc("Job Type", self.job_type)):
            return {}
        return {organization: found for (organization, _type), found in circuits.of_types([self.job_type]).items()}

    def settle(self, job: dict[str, Any], dies: bool = False) -> None:
        """`dies`: the worker does, right after its commit."""
        attempt = executor.Attempt(job)
        attempt.make()
        frappe.set_user("Administrator")
        if attempt.end and not dies:
            circuit_breaker.settled(job, attempt.end)
        processes.queue_client().delete(f"rq:job:{redis_queue.rq_id(job['name'], job['attempt'])}")

    def work(self) -> None:
        """Do all that is in RQ, and what is admitted behind it, as workers do."""
        while True:
            while message := self.pop_message():
                self.claim(*message)
            if not self.in_flight:
                return
            while self.in_flight:
                self.settle(self.in_flight.pop())
            admission.admit_all()

    def pop_message(self) -> tuple[str, int] | None:
        client = processes.queue_client()
        lists = [key for key in sorted(client.keys("rq:queue:*")) if client.type(key) == b"list"]
        if not lists:
            return None
        in_order = sorted(lists, key=lambda key: [key.endswith(name.encode()) for name in queues.ALL], reverse=True)
        entry = client.lpop(self.dice.choice(lists) if self.seldom() else in_order[0])
        taken = datetime.fromtimestamp(self.now(), timezone.utc).isoformat().replace("+00:00", "Z")
        client.hset(b"rq:job:" + entry, mapping={"status": "started", "started_at": taken})
        found = MESSAGE.search(entry)
        if found is None:  # Frappe's own, such as the clean-up after a deletion
            return self.pop_message()
        message = (found[1].decode(), int(found[2]))
        self.old_messages.append(message)
        return message
