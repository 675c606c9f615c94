"""What there is in the simulation's world: the jobs, as the rows say, and what the dice and the clock say."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections import Counter
from typing import Any

import frappe

from dartwing_core.jobs.job.batch_store import CALLBACKS, PUBLIC_FIELDS
from dartwing_core.jobs.rq import doorbells
from tests.support import contents, factory
from tests.support.handlers import Upstream

FLOOD = 5
ORGANIZATIONS = (factory.ALPHA, factory.BETA)


class State(ABC):
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
        self.in_flight: list[Any] = []
        """The slices of workers that have taken a job."""
        self.lost: list[Any] = []
        """Those that nobody waits for any more; they may wake."""
        self.old_messages: list[tuple[str, int]] = []
        self.at_front = 0
        """How many entries were made for jobs that need one of their own."""
        self.rung: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        """How many entries, and workers, each queue had when last looked at."""

    def now(self) -> float:
        return time.time() + self.offset

    def set_database_clock(self) -> None:
        """Leases go by the clock of the database, which stands still between two steps."""
        frappe.db.sql("SET timestamp = %s", (self.now(),))

    def seldom(self) -> bool:
        """For pauses: half a dozen that held half of the time each would leave nothing to happen."""
        return self.dice.random() < 0.2

    def may_go(self, job: dict) -> bool:
        """Whether a job in line may be taken once all that ran has ended; not for jobs with circuits."""
        settings, job_type = frappe.get_doc("Job Engine Settings"), frappe.get_doc("Job Type", self.job_type)
        organization = frappe.get_doc("Organization", job["organization"])
        is_paused = settings.is_paused or organization.is_paused or job_type.is_paused
        is_paused = is_paused or job["queue"] in (settings.paused_queues or "") or job_type.enable_circuit_breaker
        return (
            not is_paused and organization.status == "Active" and bool(doorbells.workers([job["queue"]])[job["queue"]])
        )

    def schedules(self) -> list[dict]:
        fields = ["name", "anchor_epoch", "next_run_epoch", "look_at_epoch", "organization", "refusals"]
        fields.append("sealed_last_error")
        rows = frappe.get_all("Job Schedule", {"job_type": self.job_type}, fields, order_by="name asc")
        return [contents.opened_row(row) for row in rows]

    def set_paused(self, paused: bool) -> None:
        self.set_setting("is_paused", int(paused))

    def set_setting(self, name: str, value: Any) -> None:
        document = frappe.get_doc("Job Engine Settings")
        document.set(name, value)
        document.save()
        frappe.db.commit()
        self.outdate_looks()

    def set_type(self, **values: int) -> None:
        document = frappe.get_doc("Job Type", self.job_type)
        document.update(values)
        document.save()
        frappe.db.commit()
        self.outdate_looks()

    def set_organization(self, name: str, **values: int) -> None:
        document = frappe.get_doc("Organization", name)
        document.update(values)
        document.save()
        frappe.db.commit()
        self.outdate_looks()

    def set_all_free(self) -> None:
        """No pause and no limit."""
        Upstream.is_down = False
        self.set_paused(False)
        self.set_setting("paused_queues", "")
        self.set_state(factory.BETA, "Active")
        self.caps = {}
        for name in ORGANIZATIONS:
            self.set_organization(name, is_paused=0, max_running=0, weight=1)
        if frappe.db.exists("Job Type", self.job_type):
            self.set_type(is_paused=0, max_concurrent=0)

    def set_state(self, organization: str, state: str) -> None:
        frappe.db.set_value("Organization", organization, "status", state)
        frappe.db.commit()
        self.outdate_looks()

    @abstractmethod
    def outdate_looks(self) -> None:
        """What workers have seen before is not what they act on from now on."""

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
