"""What submitters do in the simulation's world."""

from __future__ import annotations

from typing import Any

import frappe

from dartwing_core.jobs import DuplicateJobError, batch, chain, group, job, run_schedule_now, submit_job
from dartwing_core.jobs.job.batch_store import CALLBACKS
from dartwing_core.jobs.job.dependencies import POLICIES
from dartwing_core.jobs.sweep import sweeper
from tests.simulation.state import FLOOD, ORGANIZATIONS, State

ENDINGS = ("ok", "ok", "ok", "fail", "fail", "late", "dead", "snooze")
PRIORITIES = ("High", "High", "High", "Normal", "Normal", "Low", "Critical")
TIMEOUTS = (None, None, 20, 250)
"""Some are too long for a process that answers the entry of a short one."""
KEYS = 4
SCHEDULES = 2


class Submitters(State):
    def part(self, **arguments: Any) -> dict[str, Any]:
        """A job like no other."""
        self.serial += 1
        plan = [*(self.dice.choice(ENDINGS) for _attempt in range(3)), "ok"]
        arguments.setdefault("priority", self.dice.choice(PRIORITIES))
        arguments.setdefault("timeout", self.dice.choice(TIMEOUTS))
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
        for _number in range(FLOOD):
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

    # Schedules

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
