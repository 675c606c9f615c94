"""Checkpoints, snoozing, steps and untidy handlers leave one clear state."""

from __future__ import annotations

import json

import frappe
import pytest

from dartwing_core.jobs.job import find
from dartwing_core.jobs.sweep import sweeper
from tests.support import database
from tests.support.jobs import messages, run, submitted
from tests.support.lifecycle import made, notes

pytestmark = pytest.mark.usefixtures("no_sweep_in_between")


def test_a_retry_goes_on_from_the_checkpoint():
    job = submitted(made("batches", retry_delays="0"), batches=4, fail_after=3)
    assert run(job)["status"] == "Failed"
    assert notes(job) == 2, "what came after the last checkpoint was rolled back"
    sweeper.sweep()
    status = run(job, 2)
    assert (status["status"], status["result"]) == ("Completed", {"first": 2})
    assert notes(job) == 4


def test_a_checkpoint_of_an_overtaken_attempt_is_refused(monkeypatch):
    job = submitted(made("batches"), batches=2)
    is_current = find.is_current

    def overtaken(name, attempt, lock_wait):
        with database.another_connection() as other, other.cursor() as cursor:
            cursor.execute("UPDATE `tabBackground Job` SET attempt = 2 WHERE name = %s", (name,))
        return is_current(name, attempt, lock_wait)

    monkeypatch.setattr(find, "is_current", overtaken)
    assert run(job)["status"] == "Running"
    assert notes(job) == 0


def test_snoozing_costs_no_retry_and_keeps_no_writes():
    job = submitted(made("snoozes", max_retries=0), until=3)
    for attempt in (1, 2):
        status = run(job, attempt)
        assert (status["status"], status["retry_count"], status["attempt"]) == ("Pending", 0, attempt)
        sweeper.sweep()
    assert run(job, 3)["status"] == "Completed"
    assert notes(job) == 0
    assert "Snoozed for 0 s" in messages(job)


def test_steps_are_kept_with_their_states():
    job = submitted(made("stepped"))
    run(job)
    steps = frappe.db.get_value("Background Job Run", {"background_job": job.name}, "steps")
    assert json.loads(steps) == [{"name": "read", "state": "done"}, {"name": "write", "state": "active"}]


@pytest.mark.parametrize(
    ("what", "status", "rows"),
    [
        ("user", "Completed", 1),
        ("commit", "Completed", 1),
        ("savepoint", "Completed", 1),
        ("output", "Completed", 1),
        ("callback", "Completed", 1),
        ("fork", "Completed", 1),
        ("rollback", "Completed", 0),
        ("close", "Failed", 0),
        ("refuse", "Failed", 0),
    ],
)
def test_an_untidy_handler_ends_in_one_clear_state(what, status, rows):
    job = submitted(made("untidy"), what=what)
    assert run(job)["status"] == status
    assert notes(job) == rows
    assert frappe.session.user == "Administrator"
    assert run(submitted("echo_job", n=what))["status"] == "Completed", "the worker goes on"
