"""What operators do in the simulation's world, and bad luck."""

from __future__ import annotations

import frappe

from dartwing_core.jobs import (
    CircuitNotFoundError,
    DuplicateJobError,
    InvalidTransitionError,
    cancel_batch,
    cancel_job,
    manually_close_circuit,
    reschedule_job,
    retry_batch,
    retry_job,
    run_now,
)
from dartwing_core.jobs.status import FINISHED
from dartwing_core.jobs.sweep import retention, sweeper
from tests.simulation.state import ORGANIZATIONS, State
from tests.support import factory, processes, queues
from tests.support.handlers import Upstream

PURGED_AFTER = 0.001  # days: a minute and a half


class Operators(State):
    def do_cancel(self) -> None:
        if (job := self.some_job()) and job["status"] not in FINISHED:
            cancel_job(job["name"], reason="simulated")
            frappe.db.commit()

    def do_retry(self) -> None:
        if job := self.some_job("Dead Letter", "Failed", "Timed Out"):
            try:
                retry_job(job["name"])
            except DuplicateJobError:
                frappe.db.rollback()  # an equal job has been submitted since
            frappe.db.commit()

    def do_reschedule(self) -> None:
        job = self.some_job("Pending", "Queued")
        if job and not job["attempt"]:
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
        self.lose_an_entry()

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
