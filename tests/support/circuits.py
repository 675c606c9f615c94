"""Job Types with a circuit breaker, jobs that fail as planned, and time that passes."""

from __future__ import annotations

import time
from typing import Any

import frappe
import pytest
from frappe.model.document import Document

from dartwing_core.jobs import executor
from dartwing_core.jobs.job import circuits
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.line import claim
from dartwing_core.jobs.sweep import sweeper

from . import factory
from .jobs import run, submitted

SAMPLES, COOL_DOWN = 2, 15
"""Failures that open a circuit here, and minutes."""


class Times:
    """The engine's time; `pass_by` lets some of it pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.offset = 0.0
        monkeypatch.setattr(clock, "now_epoch", lambda: time.time() + self.offset)

    def pass_by(self, minutes: float) -> None:
        """Let so many minutes pass."""
        self.offset += 60 * minutes

    def cool_down(self) -> None:
        """The cool-down is over, and everybody has had a look."""
        self.pass_by(COOL_DOWN)
        sweeper.sweep()


def breaking_type(name: str = "breaking", **values: Any) -> str:
    """A Job Type whose circuits open after SAMPLES failures and no success."""
    breaker = {
        "enable_circuit_breaker": 1,
        "circuit_breaker_failure_threshold": 0.5,
        "circuit_breaker_min_samples": SAMPLES,
        "circuit_breaker_window_minutes": 30,
        "circuit_breaker_cooldown_minutes": COOL_DOWN,
    }
    return factory.job_type(name, "scripted", **{"max_retries": 3, "retry_delays": "100000", **breaker, **values})


def change(job_type: str, **values: Any) -> None:
    """Save the type with these values."""
    document = frappe.get_doc("Job Type", job_type)
    document.update(values)
    document.save()
    frappe.db.commit()


_serial = iter(range(10**9))


def planned(job_type: str, *plan: str) -> Document:
    """A job that ends as the plan says for each attempt: ok, fail or dead."""
    return submitted(job_type, plan=plan, n=next(_serial))


def fails(job_type: str, number: int = 1) -> list[Document]:
    """So many jobs that fail."""
    jobs = [planned(job_type, "fail", "ok") for _number in range(number)]
    for job in jobs:
        assert run(job)["status"] in ("Failed", "Dead Letter")
    return jobs


def succeeds(job_type: str) -> None:
    """Run a job that completes."""
    assert run(planned(job_type, "ok"))["status"] == "Completed"


def row(job_type: str, organization: str = factory.ALPHA) -> Any:
    """The circuit's row as committed; None if it never opened."""
    frappe.db.rollback()
    return frappe.db.get_value("Job Circuit", {"job_type": job_type, "organization": organization}, "*", as_dict=True)


def state(job_type: str, organization: str = factory.ALPHA) -> str | None:
    """The status of the circuit as committed. None if it never opened."""
    found = row(job_type, organization)
    return found.status if found else None


def opened(job_type: str) -> None:
    """Fail until the circuit of Test Alpha is open."""
    fails(job_type, SAMPLES)
    assert state(job_type) == circuits.OPEN


def attempt(job: Document, number: int = 1) -> None:
    """Make this attempt of the job."""
    executor.execute_job(job.name, number)


def nobody_goes() -> bool:
    """Whether there is no job whose turn it is."""
    return claim.Claimer().claim_next() is None
