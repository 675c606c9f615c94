"""Operations on a job that another transaction keeps locked: its request does not wait for that transaction's end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import frappe
import pytest

from dartwing_core.jobs import (
    batch,
    cancel_batch,
    cancel_job,
    cancel_jobs,
    job,
    reschedule_job,
    retry_batch,
    retry_job,
    run_now,
)
from dartwing_core.jobs.errors import JobBusyError
from dartwing_core.jobs.job import find, record
from tests.support import database, factory
from tests.support.jobs import run, set_columns, status, submitted_with

pytestmark = pytest.mark.usefixtures("no_sweeps", "short_wait")
LONGEST = 10
"""Seconds: fewer than the server's 50, and more than a loaded machine needs for the engine's 2."""


@pytest.fixture
def short_wait(monkeypatch) -> None:
    """The engine waits a second for a lock, not two."""
    for module in (find, record):
        monkeypatch.setattr(module, "LOCK_WAIT", 1)


@contextmanager
def locked(doctype: str, name: str) -> Iterator[None]:
    """Another session keeps a row locked while entered."""
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT 1 FROM `tab{doctype}` WHERE name = %s FOR UPDATE", (name,))
        yield


def is_soon_refused(operation: Callable[[], object]) -> None:
    """The operation is told to try again, and leaves nothing that its caller could commit."""
    started = time.monotonic()
    with pytest.raises(JobBusyError, match="This job is being changed by someone else"):
        operation()
    assert time.monotonic() - started < LONGEST
    frappe.db.commit()


@pytest.mark.parametrize(
    ("operation", "state"),
    [
        (cancel_job, "Pending"),
        (run_now, "Pending"),
        (lambda name: reschedule_job(name, 7_200), "Queued"),
        (lambda name: cancel_jobs([name]), "Pending"),
        (retry_job, "Dead Letter"),
    ],
    ids=["cancel", "run_now", "reschedule", "cancel_jobs", "retry"],
)
def test_a_job(operation, state):
    # Seen failing: the request waited the server's 50 seconds, and then told of the database.
    made = submitted_with(factory.job_type("plain"), available_at=3_600)
    set_columns(made, status=state, in_line=int(state == "Queued"))
    with locked("Background Job", made.name):
        is_soon_refused(lambda: operation(made.name))
    assert status(made) == state


def test_a_batch():
    job_type = factory.job_type("scripted", "scripted")
    made = batch(job(job_type, {"plan": ["dead"]}), job(job_type, {"plan": ["ok"]})).submit(factory.ALPHA)
    frappe.db.commit()
    with locked("Job Batch", made.name):
        is_soon_refused(lambda: cancel_batch(made.name))
    failed = frappe.get_all("Background Job", {"parent_batch": made.name}, pluck="name", order_by="name")[0]
    run(frappe.get_doc("Background Job", failed))
    with locked("Job Batch", made.name):
        is_soon_refused(lambda: retry_batch(made.name))
        is_soon_refused(lambda: retry_job(failed))
    assert frappe.db.get_value("Job Batch", made.name, "cancel_requested") == 0
