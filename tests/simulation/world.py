"""A small world around the engine: submitters, workers, an operator and bad luck, all drawn from one seed.

Workers are split in two, so that anything can happen between a claim and its settle: `deliver` claims, `finish` runs
the handler and settles, `crash` forgets the claim, `wake` settles a forgotten one long after.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import frappe

from dartwing_core.jobs import (
    CircuitNotFoundError,
    DuplicateJobError,
    InvalidTransitionError,
    admission,
    batch,
    cancel_batch,
    cancel_job,
    chain,
    circuit_breaker,
    circuits,
    claim,
    clock,
    executor,
    group,
    job,
    manually_close_circuit,
    redis_queue,
    reschedule_job,
    retention,
    retry_batch,
    retry_job,
    run_now,
    run_schedule_now,
    submit_job,
    sweeper,
)
from dartwing_core.jobs.batch_store import CALLBACKS, PUBLIC_FIELDS
from dartwing_core.jobs.dependencies import POLICIES
from dartwing_core.jobs.status import FINISHED
from tests.support import factory, processes, queues
from tests.support.handlers import Upstream

ENDINGS = ("ok", "ok", "ok", "fail", "fail", "late", "dead", "snooze")
KEYS = 4
PURGED_AFTER = 0.001  # days: a minute and a half
WINDOW = 3
SCHEDULES = 2
PRIORITIES = ("High", "High", "High", "Normal", "Normal", "Low", "Critical")
OFTEN = ("deliver",) * 6 + ("finish", "finish", "sweep", "sweep", "cap", "jump", "schedule", "serve", "serve", "flood", "flood")
"""Drawn more often than the rest, so that jobs run, side by side."""
ORGANIZATIONS = (factory.ALPHA, factory.BETA)
MESSAGE = re.compile(rb"(JOB-[0-9A-Z]+)-(\d+)$")


class World:
    def __init__(self, seed: int, job_type: str):
        self.dice = random.Random(seed)
        self.job_type = job_type
        self.offset = 0.0
        self.serial = 0
        self.caps: dict[str, int] = {}
        self.ran: dict[str, int] = {}
        """How many of each ran when last looked at."""
        self.due: dict[str, dict] = {}
        """The jobs by name, when last looked at."""
        self.probes: list[dict[str, Any]] = []
        """Attempts that began while their circuit was not closed."""
        self.runs: dict[str, str] = {}
        """The job of each run of a schedule that there ever was."""
        self.in_flight: list[dict[str, Any]] = []
        self.lost: list[dict[str, Any]] = []
        self.old_messages: list[tuple[str, int]] = []
        self.actions: dict[str, Callable[[], Any]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    def now(self) -> float:
        return time.time() + self.offset

    def set_database_clock(self) -> None:
        """Leases go by the clock of the database, which stands still between two steps."""
        frappe.db.sql("SET timestamp = %s", (self.now(),))

    def seldom(self) -> bool:
        """For pauses: half a dozen that held half of the time each would leave nothing to happen."""
        return self.dice.random() < 0.2

    def step(self) -> str:
        """Do one thing; returns its name."""
        name = self.dice.choice([*sorted(self.actions), *OFTEN])
        self.set_database_clock()
        self.actions[name]()
        frappe.db.rollback()
        return name

    # Submitters ---------------------------------------------------------------------------------------------------

    def part(self, **arguments: Any) -> dict[str, Any]:
        """A job like no other."""
        self.serial += 1
        plan = [*(self.dice.choice(ENDINGS) for _attempt in range(3)), "ok"]
        arguments.setdefault("priority", self.dice.choice(PRIORITIES))
        return job(self.job_type, {"plan": plan, "n": self.serial}, **arguments)

    def submit(self, organization: str | None = None, **arguments: Any):
        part = self.part(**arguments)
        try:
            return submit_job(organization=organization or self.dice.choice(ORGANIZATIONS), **part)
        except (DuplicateJobError, frappe.ValidationError):
            return None  # a twin, or a suspended organization

    def do_submit(self) -> None:
        self.submit()
        frappe.db.commit()

    def do_submit_several(self) -> None:
        for _number in range(3):
            self.submit()
        frappe.db.commit()

    def do_flood(self) -> None:
        """A line for the first queue, and somebody behind it."""
        flooding, other = self.dice.sample(ORGANIZATIONS, 2)
        for _number in range(WINDOW + 2):
            self.submit(organization=flooding, priority="High")
            frappe.db.commit()
        self.submit(organization=other, priority=self.dice.choice(("Normal", "Low")))
        frappe.db.commit()

    def do_submit_twin(self) -> None:
        self.submit(dedup_key=f"key {self.dice.randrange(KEYS)}")
        frappe.db.commit()

    def do_submit_for_later(self) -> None:
        self.submit(available_at=self.dice.randrange(1, 600))
        frappe.db.commit()

    def do_submit_child(self) -> None:
        parent = self.some_job()
        if parent:
            self.submit(depends_on=parent["name"])
            frappe.db.commit()

    def do_submit_child_of_several(self) -> None:
        organization = self.dice.choice(ORGANIZATIONS)
        jobs = [job["name"] for job in self.jobs() if job["organization"] == organization]
        if jobs:
            parents = self.dice.sample(jobs, min(len(jobs), self.dice.choice((2, 3, 4))))
            policy = self.dice.choice(POLICIES)
            self.submit(organization=organization, depends_on=parents, on_parent_failure=policy)
            frappe.db.commit()

    def do_submit_batch(self) -> None:
        a, b, c, d = (self.part(on_parent_failure=self.dice.choice(POLICIES)) for _part in range(4))
        parts = self.dice.choice(((a, b), (chain(a, b, c),), (chain(a, group(b, c), d),), (a, chain(b, c), d)))
        callbacks = {kind: self.part() for kind in CALLBACKS if self.dice.random() < 0.7}
        try:
            batch(*parts, **callbacks).submit(self.dice.choice(ORGANIZATIONS))
        except frappe.ValidationError:
            return  # a suspended organization
        frappe.db.commit()

    def do_submit_and_roll_back(self) -> None:
        self.submit(dedup_key=f"key {self.dice.randrange(KEYS)}")
        frappe.db.rollback()

    def do_submit_and_roll_back_half(self) -> None:
        self.submit()
        frappe.db.savepoint("before_second")
        self.submit()
        frappe.db.rollback(save_point="before_second")
        frappe.db.commit()

    # Schedules ----------------------------------------------------------------------------------------------------

    def do_schedule(self) -> None:
        """Every minute; all that is missed is made up for."""
        if len(self.schedules()) < SCHEDULES:
            self.serial += 1
            values = {"doctype": "Job Schedule", "title": "simulated", "organization": self.dice.choice(ORGANIZATIONS)}
            values |= {"job_type": self.job_type, "parameters": self.part()["parameters"], "frequency": "Interval"}
            values |= {"every": 1, "every_unit": "Minutes", "missed_runs": "Catch Up", "catch_up_limit": 100}
            try:
                frappe.get_doc(values).insert()
            except frappe.ValidationError:
                return  # a suspended organization
            frappe.db.commit()

    def do_run_schedule_now(self) -> None:
        if schedules := self.schedules():
            try:
                run_schedule_now(self.dice.choice(schedules)["name"])
            except frappe.ValidationError:
                return  # a suspended organization
            frappe.db.commit()

    def do_edit_schedule(self) -> None:
        """A form that is saved, with what it showed before; no other timing."""
        if schedules := self.schedules():
            document = frappe.get_doc("Job Schedule", self.dice.choice(schedules)["name"])
            if self.dice.random() < 0.5:
                sweeper.sweep()
            document.title = f"edited {self.serial}"
            try:
                document.save()
            except frappe.ValidationError:
                return
            frappe.db.commit()

    def schedules(self) -> list[dict]:
        fields = ["name", "anchor_epoch", "next_run_epoch", "look_at_epoch", "organization", "refusals", "last_error"]
        return frappe.get_all("Job Schedule", {"job_type": self.job_type}, fields, order_by="name asc")

    # Workers ------------------------------------------------------------------------------------------------------

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

    # The operator and bad luck ------------------------------------------------------------------------------------

    def do_cancel(self) -> None:
        if (job := self.some_job()) and job["status"] not in FINISHED:
            cancel_job(job["name"], reason="simulated")
            frappe.db.commit()

    def do_retry(self) -> None:
        job = self.some_job("Dead Letter", "Failed", "Timed Out")
        if job:
            retry_job(job["name"])
            frappe.db.commit()

    def do_reschedule(self) -> None:
        if job := self.some_job("Pending"):
            reschedule_job(job["name"], self.dice.choice((-5, 0, 20, 300)))
            frappe.db.commit()

    def do_run_now(self) -> None:
        if job := self.some_job("Pending", "Failed", "Timed Out"):
            run_now(job["name"])
            frappe.db.commit()

    def do_cancel_batch(self) -> None:
        if name := self.some_batch("Running"):
            cancel_batch(name, reason="simulated")
            frappe.db.commit()

    def do_retry_batch(self) -> None:
        if name := self.some_batch("Running", "Failed", "Canceled"):
            try:
                retry_batch(name)
            except InvalidTransitionError:
                return  # none has failed
            frappe.db.commit()

    def do_sweep(self) -> None:
        sweeper.sweep()

    def do_flush_redis(self) -> None:
        processes.queue_client().flushdb()

    def do_lose_an_entry(self) -> None:
        self.pop_message()

    def do_pause(self) -> None:
        self.set_paused(self.seldom())

    def do_suspend(self) -> None:
        self.set_state(factory.BETA, "Suspended" if self.seldom() else "Active")

    def do_pause_the_queue(self) -> None:
        self.set_setting("paused_queues", self.dice.choice(queues.ALL) if self.seldom() else "")

    def do_pause_the_type(self) -> None:
        self.set_type(is_paused=int(self.seldom()))

    def do_pause_an_organization(self) -> None:
        self.set_organization(factory.BETA, is_paused=int(self.seldom()))

    def do_cap(self) -> None:
        self.caps = {name: self.dice.choice((0, 0, 0, 1, 2)) for name in (*ORGANIZATIONS, self.job_type)}
        for name in ORGANIZATIONS:
            self.set_organization(name, max_running=self.caps[name])
        self.set_type(max_concurrent=self.caps[self.job_type])

    def do_upstream(self) -> None:
        Upstream.is_down = self.dice.random() < 0.4

    def do_breaker(self) -> None:
        self.set_type(enable_circuit_breaker=int(not self.seldom()))

    def leave_out_circuits(self) -> None:
        """An open one stops all lines of its organization: little else happens then."""
        del self.actions["breaker"]
        self.set_type(enable_circuit_breaker=0)

    def do_close_circuit(self) -> None:
        try:
            manually_close_circuit(self.job_type, self.dice.choice(ORGANIZATIONS))
        except (CircuitNotFoundError, InvalidTransitionError):
            return
        frappe.db.commit()

    def do_weigh(self) -> None:
        self.set_organization(factory.ALPHA, weight=self.dice.choice((1, 5)))

    def do_jump(self) -> None:
        self.offset += self.dice.choice((1, 16, 30, 90, 400))

    def do_delete(self) -> None:
        job = self.some_job("Completed", "Canceled")
        if job:
            try:
                frappe.delete_doc("Background Job", job["name"])
            except frappe.ValidationError:
                frappe.db.rollback()  # another one waits for it, or its batch is running
                return
            frappe.db.commit()

    def do_purge(self) -> None:
        self.offset += 2 * 86_400 * PURGED_AFTER
        retention.clear_old_jobs(PURGED_AFTER)  # type: ignore[arg-type]

    def set_paused(self, paused: bool) -> None:
        self.set_setting("is_paused", int(paused))

    def set_setting(self, name: str, value: Any) -> None:
        document = frappe.get_doc("Job Engine Settings")
        document.set(name, value)
        document.save()
        frappe.db.commit()

    def set_type(self, **values: int) -> None:
        document = frappe.get_doc("Job Type", self.job_type)
        document.update(values)
        document.save()
        frappe.db.commit()

    def set_organization(self, name: str, **values: int) -> None:
        document = frappe.get_doc("Organization", name)
        document.update(values)
        document.save()
        frappe.db.commit()

    def set_all_free(self) -> None:
        """No pause and no limit."""
        Upstream.is_down = False
        self.set_paused(False)
        self.set_setting("paused_queues", "")
        self.set_setting("queue_window", 0)
        self.set_state(factory.BETA, "Active")
        self.caps = {}
        for name in ORGANIZATIONS:
            self.set_organization(name, is_paused=0, max_running=0, weight=1)
        if frappe.db.exists("Job Type", self.job_type):
            self.set_type(is_paused=0, max_concurrent=0)

    def running(self) -> list[dict]:
        """The jobs that run, as the rows say."""
        fields = ["name", "organization", "job_type"]
        return frappe.get_all("Background Job", {"job_type": self.job_type, "status": "Running"}, fields)

    def set_state(self, organization: str, state: str) -> None:
        frappe.db.set_value("Organization", organization, "status", state)
        frappe.db.commit()

    def some_job(self, *statuses: str) -> dict | None:
        jobs = [job for job in self.jobs() if not statuses or job["status"] in statuses]
        return self.dice.choice(jobs) if jobs else None

    def some_batch(self, *statuses: str) -> str | None:
        names = [row["name"] for row in self.batches() if row["status"] in statuses]
        return self.dice.choice(names) if names else None

    def batches(self) -> list[dict]:
        filters = {"organization": ["in", ORGANIZATIONS]}
        return frappe.get_all("Job Batch", filters, [*PUBLIC_FIELDS, *CALLBACKS], order_by="name asc")

    def jobs(self) -> list[dict]:
        fields = ["name", "organization", "status", "attempt", "retry_count", "max_retries", "active_key"]
        fields += ["depends_on", "on_parent_failure", "parent_batch", "callback_of"]
        fields += ["due_epoch", "in_line", "waits_for", "schedule_run", "queue", "priority"]
        return frappe.get_all("Background Job", {"job_type": self.job_type}, fields, order_by="name asc")

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
        for _round in range(200):  # an open circuit lets one attempt through in each
            self.offset += 4_000
            self.set_database_clock()
            sweeper.sweep()
            self.work()
            frappe.db.rollback()
            is_over = all(job["status"] in FINISHED for job in self.jobs())
            if is_over and all(row["status"] != "Running" for row in self.batches()):
                return


def now_of(world: World, monkeypatch) -> None:
    """Let the engine live in the world's time."""
    monkeypatch.setattr(clock, "now_epoch", world.now)
