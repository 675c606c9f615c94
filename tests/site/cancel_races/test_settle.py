"""A cancel that was accepted before the settle wins, and a settle and a cancel wait for each other."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import frappe
import pytest

from dartwing_core.jobs import (
    JobCanceledError,
    PermanentError,
    TransientError,
    cancel_job,
    cancel_jobs,
    get_job_history,
)
from dartwing_core.jobs.after import cancel
from dartwing_core.jobs.job import record, runs
from dartwing_core.jobs.run import attempt
from dartwing_core.jobs.sweep import rescue
from tests.support import database, factory
from tests.support.handlers import leave_note
from tests.support.jobs import lose, run, status, submitted
from tests.support.rows import notes
from tests.support.sessions import Meanwhile, claimed, committed, elsewhere, look
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_sweeps")

HAS_RUN_ROW = "SELECT 1 FROM `tabBackground Job Run` WHERE name = %s"
SETTLES = """
    SELECT COUNT(*) FROM information_schema.PROCESSLIST
    WHERE ID <> CONNECTION_ID() AND INFO LIKE 'SET STATEMENT%%`tabBackground Job Run`%%'
"""


def settles() -> bool:
    """Whether a settle waits for the row of its attempt."""
    return bool(database.value(SETTLES))


def note_waits(monkeypatch, event: threading.Event) -> None:
    """Set the event when a cancel waits for the row of an attempt."""

    def sleep(seconds: float) -> None:
        event.set()
        time.sleep(seconds)

    monkeypatch.setattr(cancel, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))


def end_as(how: str, context) -> None:
    """End an attempt of which somebody else has canceled the job just now."""
    if how == "obeys":
        until(context.is_canceled, 10, "the heartbeat's look")
    elif how == "swallows":
        until(context.is_canceled, 10, "the heartbeat's look")
        try:
            context.update_progress(50)
        except Exception:
            return
    elif how == "raises":
        raise TransientError("asked to fail")
    elif how == "raises for good":
        raise PermanentError("asked to fail")
    elif how == "snoozes":
        context.snooze(60)


@pytest.mark.parametrize(
    ("how", "is_young"),
    [
        ("returns", True),
        ("returns", False),
        ("obeys", False),
        ("swallows", False),
        ("raises", True),
        ("raises for good", False),
        ("snoozes", True),
    ],
)
def test_a_cancel_that_was_accepted_before_the_settle_wins_whatever_the_handler_does(handled, is_young, how):
    # Seen failing: "returns", "obeys", "swallows" ended Completed with their writes, except for young attempts under
    # snapshot isolation, whose owner read OperationalError (1020).
    def handler(context):
        leave_note(context)
        if not is_young:
            context.update_progress(1, force=True)
            until(lambda: database.value(HAS_RUN_ROW, f"{context.job_id}-1"))
        elsewhere(cancel_job, context.job_id, reason="enough")
        end_as(how, context)

    made = submitted(handled(handler))
    assert run(made)["status"] == "Canceled"
    assert notes(made) == 0
    assert get_job_history(made.name)["history"][-1]["message"] == "Job canceled while running: enough"
    attempt = frappe.get_doc("Background Job Run", f"{made.name}-1")
    assert (attempt.outcome, attempt.error_message, attempt.traceback) == ("Canceled", None, None)
    stored = frappe.get_doc("Background Job", made.name)
    assert (stored.canceled_by, stored.error_message) == ("Administrator", None)


def canceled_meanwhile(handled, decide: Callable[[], None]) -> tuple[str, list[Meanwhile]]:
    """A Job Type whose handler writes while another session cancels its job. That one ends as `decide` does."""
    is_accepted, canceler = threading.Event(), []

    def cancel_and_decide(name: str) -> None:
        cancel_job(name)
        is_accepted.set()
        decide()

    def handler(context):
        leave_note(context)
        canceler.append(Meanwhile(lambda: cancel_and_decide(context.job_id)))
        assert is_accepted.wait(30)

    return handled(handler), canceler


@pytest.mark.parametrize(("then", "end"), [("commit", "Canceled"), ("rollback", "Completed")])
def test_a_settle_waits_for_a_transaction_that_is_canceling_its_job(handled, then, end):
    # Seen failing (Completed after a cancel that was accepted) with the job's row before the run row in the settle.
    def decide() -> None:
        until(settles, 4, "the settle")
        getattr(frappe.db, then)()

    kind, canceler = canceled_meanwhile(handled, decide)
    made = submitted(kind)
    run(made)
    assert canceler[0].answer() is None
    assert (status(made), notes(made)) == (end, 1 if end == "Completed" else 0)


def test_an_operation_on_a_job_that_runs_by_now_leaves_its_row_free():
    # Seen failing: a cancel that first tried what the caller's old view said kept the settle waiting for its commit.
    made = submitted(factory.job_type("plain"))
    look()
    claimed(made)
    cancel_job(made.name)
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE NOWAIT", (made.name,))
    frappe.db.rollback()


def test_an_attempt_whose_cancel_stays_undecided_is_left_to_the_sweep(handled, monkeypatch):
    # The process goes on. What was accepted is done in the end.
    is_over = threading.Event()
    kind, canceler = canceled_meanwhile(handled, lambda: [is_over.wait(60), frappe.db.commit()])
    monkeypatch.setattr(attempt, "SETTLE_WAIT", 1)
    made = submitted(kind)
    assert run(made)["status"] == "Running"
    lose(made, 60)
    rescue.sweep()
    assert status(made) == "Running"
    is_over.set()
    assert canceler[0].answer() is None
    rescue.sweep()
    assert (status(made), notes(made)) == ("Canceled", 0)


def test_a_cancel_that_is_taken_back_late_costs_no_retry(handled, monkeypatch):
    # Seen failing: the wait for the row counted as the handler's own error, and the job was a dead letter.
    has_waited, fail = threading.Event(), attempt.Attempt.fail

    def noted(made, error):
        has_waited.set()
        canceler[0].answer()
        fail(made, error)

    kind, canceler = canceled_meanwhile(handled, lambda: [has_waited.wait(30), frappe.db.rollback()])
    monkeypatch.setattr(attempt, "SETTLE_WAIT", 1)
    monkeypatch.setattr(attempt.Attempt, "fail", noted)
    committed(frappe.db.set_value, "Job Type", kind, "max_retries", 0)
    made = submitted(kind)
    found = run(made)
    assert (found["status"], found["retry_count"], notes(made)) == ("Pending", 0, 0)


def test_a_checkpoint_of_an_overtaken_attempt_leaves_nothing(handled):
    # Seen failing: a handler that caught the error and committed left its state to later attempts.
    def handler(context):
        elsewhere(frappe.db.set_value, "Background Job", context.job_id, "attempt", 2)
        with contextlib.suppress(JobCanceledError):
            context.checkpoint({"done": "late"})
        frappe.db.commit()

    made = submitted(handled(handler))
    run(made)
    assert runs.latest_state(made.name) is None


@pytest.mark.parametrize("operation", [cancel_job, lambda name: cancel_jobs([name])["refused"][name]])
def test_a_cancel_during_the_settle_waits_for_it_and_says_what_came_of_it(handled, monkeypatch, operation):
    # Seen failing: the cancel was accepted, and the job Completed.
    end, canceler, is_waiting = record.Job.end, [], threading.Event()

    def end_meanwhile(*arguments, **more):
        canceler.append(Meanwhile(lambda: committed(operation, made.name)))
        assert is_waiting.wait(20)
        return end(*arguments, **more)

    note_waits(monkeypatch, is_waiting)

    made = submitted(handled(leave_note))
    monkeypatch.setattr(record.Job, "end", end_meanwhile)
    assert run(made)["status"] == "Completed"
    assert "is Completed and can't be canceled" in str(canceler[0].answer())
    assert notes(made) == 1


def test_a_handler_that_cancels_its_own_job_and_returns_ends_canceled(handled):
    def cancel_itself(context):
        leave_note(context)
        cancel_job(context.job_id, reason="nothing to do")
        cancel_job(context.job_id)

    made = submitted(handled(cancel_itself))
    assert run(made)["status"] == "Canceled"
    assert notes(made) == 0
