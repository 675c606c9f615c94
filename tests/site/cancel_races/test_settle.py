"""A cancel that was accepted before the settle wins, and a settle and a cancel wait for each other."""

from __future__ import annotations

import threading

import frappe
import pytest

from dartwing_core.jobs import (
    InvalidTransitionError,
    PermanentError,
    TransientError,
    cancel_job,
    cancel_jobs,
    get_job_history,
)
from dartwing_core.jobs.after import cancel
from dartwing_core.jobs.job import cancel_lock, runs
from dartwing_core.jobs.lib import named_locks
from dartwing_core.jobs.sweep import rescue
from tests.support import attempts, database, factory
from tests.support.jobs import lose, run, set_columns, status, submitted
from tests.support.races import Meanwhile, claimed, committed, elsewhere, look
from tests.support.settings import settings
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_sweep_in_between")

HAS_RUN_ROW = "SELECT 1 FROM `tabBackground Job Run` WHERE name = %s"
SETTLES = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%% SET `status`=%%IS_FREE_LOCK(%%'"
LOOKS_AT_THE_ROW = """
    SELECT COUNT(*) FROM information_schema.PROCESSLIST
    WHERE INFO LIKE 'SET STATEMENT innodb_lock_wait_timeout=%% FOR SELECT `status`,`attempt` %% FOR UPDATE'
"""

WAITS_FOR_THE_LOCK = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT GET_LOCK(%%cancel:%%'"


def add_note(context) -> None:
    frappe.get_doc({"doctype": "Note", "title": f"test {context.job_id}", "public": 1}).insert(ignore_permissions=True)


def notes(made) -> int:
    return database.value("SELECT COUNT(*) FROM tabNote WHERE title = %s", f"test {made.name}")


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


@pytest.mark.parametrize("is_young", [True, False])
@pytest.mark.parametrize("how", ["returns", "obeys", "swallows", "raises", "raises for good", "snoozes"])
def test_a_cancel_that_was_accepted_before_the_settle_wins_whatever_the_handler_does(handled, is_young, how):
    # Seen failing: "returns", "obeys", "swallows" ended Completed with their writes, except for young attempts under
    # snapshot isolation, whose owner read OperationalError (1020).
    def handler(context):
        add_note(context)
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


@pytest.mark.parametrize(("then", "end"), [("commit", "Canceled"), ("rollback", "Completed")])
def test_a_settle_waits_for_a_transaction_that_is_cancelling_its_job(handled, monkeypatch, then, end):
    # Broken by leaving `unless_locked` out of the settle: Completed, after a cancel that was accepted.
    is_accepted, is_settling = threading.Event(), threading.Event()
    await_decision = cancel_lock.await_decision

    def settling(claimed):
        is_settling.set()
        await_decision(claimed)

    def canceled_late(name: str):
        cancel_job(name)
        is_accepted.set()
        is_settling.wait(30)
        frappe.db.commit() if then == "commit" else frappe.db.rollback()

    def handler(context):
        add_note(context)
        canceller.append(Meanwhile(lambda: canceled_late(context.job_id)))
        assert is_accepted.wait(30)

    canceller: list[Meanwhile] = []
    monkeypatch.setattr(cancel_lock, "await_decision", settling)
    made = submitted(handled(handler))
    run(made)
    assert canceller[0].answer() is None
    assert status(made) == end
    assert notes(made) == (1 if end == "Completed" else 0)


def test_a_settle_that_waits_for_the_row_sees_who_is_cancelling_meanwhile(handled, monkeypatch):
    # Seen failing (Completed) with a constant name in `named_locks.is_free`: the server looks for
    # that lock before it waits.
    def canceled_while_it_waits(name: str) -> None:
        with database.another_connection() as other, other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE", (name,))
            is_held.set()
            until(lambda: database.value(SETTLES), 20, "the settle")
            lock = cancel_lock.lock_of({"name": name, "attempt": 1})
            assert named_locks.acquire_lock(lock)
            cursor.execute("ROLLBACK")
            until(lambda: is_settling.is_set() or database.value(HAS_RUN_ROW, f"{name}-1"), 20, "the settle's decision")
            runs.request_cancel(name, 1, "Administrator", None)
            frappe.db.commit()
            named_locks.release_lock(lock)

    def handler(context):
        add_note(context)
        canceller.append(Meanwhile(lambda: canceled_while_it_waits(context.job_id)))
        assert is_held.wait(30)

    is_held, is_settling = threading.Event(), threading.Event()
    await_decision = cancel_lock.await_decision
    monkeypatch.setattr(cancel_lock, "await_decision", lambda claimed: (is_settling.set(), await_decision(claimed)))
    canceller: list[Meanwhile] = []
    made = submitted(handled(handler))
    assert run(made)["status"] == "Canceled"
    assert canceller[0].answer() is None
    assert notes(made) == 0


@pytest.mark.parametrize("then", ["commit", "rollback"])
def test_of_two_who_cancel_at_once_none_is_told_so_in_vain(handled, monkeypatch, then):
    # Seen failing: with the first one's rollback the job was Completed, after the second one's cancel was accepted.
    is_canceled, is_second, is_settling, is_over = (threading.Event() for _ in range(4))
    await_decision = cancel_lock.await_decision

    def settling(claimed):
        is_settling.set()
        await_decision(claimed)

    def first(name: str) -> None:
        cancel_job(name)
        is_canceled.set()
        assert is_second.wait(30)
        assert is_settling.wait(30)
        frappe.db.commit() if then == "commit" else frappe.db.rollback()

    def second(name: str) -> str:
        try:
            cancel_job(name)
        except InvalidTransitionError as error:
            return str(error)
        finally:
            is_second.set()
        assert is_over.wait(30)
        frappe.db.commit()
        return "accepted"

    def handler(context):
        add_note(context)
        others.append(Meanwhile(lambda: first(context.job_id)))
        assert is_canceled.wait(30)
        others.append(Meanwhile(lambda: second(context.job_id)))
        assert is_second.wait(30)

    others: list[Meanwhile] = []
    monkeypatch.setattr(cancel_lock, "await_decision", settling)
    made = submitted(handled(handler))
    run(made)
    is_over.set()
    assert others[0].answer() is None
    assert "is being canceled by somebody else" in others[1].answer()
    assert status(made) == ("Canceled" if then == "commit" else "Completed")


def test_who_cancels_a_moment_after_somebody_else_waits_for_them(handled):
    def first(name: str) -> None:
        cancel_job(name, reason="first")
        is_canceled.set()
        until(lambda: database.value(WAITS_FOR_THE_LOCK), 20, "the second one")
        frappe.db.rollback()

    def handler(context):
        others.append(Meanwhile(lambda: first(context.job_id)))
        assert is_canceled.wait(30)
        elsewhere(cancel_job, context.job_id, reason="second")

    is_canceled = threading.Event()
    others: list[Meanwhile] = []
    made = submitted(handled(handler))
    assert run(made)["status"] == "Canceled"
    assert others[0].answer() is None
    assert get_job_history(made.name)["history"][-1]["message"] == "Job canceled while running: second"


def test_a_cancel_that_just_misses_the_claim_does_not_wait_for_itself(monkeypatch):
    # Seen failing: it held the row, and waited two seconds for it on a connection of its own.
    transition = cancel.job_store.transition

    def claimed_first(row, to_status, *arguments, **more):
        if to_status == "Canceled" and row["status"] == "Queued":
            claimed(made)
        return transition(row, to_status, *arguments, **more)

    made = submitted(factory.job_type("plain"))
    monkeypatch.setattr(cancel.job_store, "transition", claimed_first)
    monkeypatch.setattr(cancel_lock, "block_settle", lambda job: pytest.fail("waits for the row"))
    assert cancel_job(made.name).status == "Running"
    frappe.db.commit()
    assert runs.cancel_request(f"{made.name}-1")


def test_an_operation_on_a_job_that_runs_by_now_leaves_its_row_free():
    # Seen failing: a cancel that first tried what the caller's old view said kept the settle waiting for its commit.
    made = submitted(factory.job_type("plain"))
    look()
    claimed(made)
    cancel_job(made.name)
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE NOWAIT", (made.name,))
    frappe.db.rollback()


def test_a_settle_does_not_wait_for_ever(handled):
    is_accepted, is_over = threading.Event(), threading.Event()

    def never_decided(name: str):
        cancel_job(name)
        is_accepted.set()
        is_over.wait(60)
        frappe.db.commit()

    def handler(context):
        canceller.append(Meanwhile(lambda: never_decided(context.job_id)))
        assert is_accepted.wait(30)

    canceller: list[Meanwhile] = []
    with settings(lease_seconds=5):
        made = submitted(handled(handler))
        assert run(made)["status"] == "Completed"
    is_over.set()
    assert canceller[0].answer() is None
    assert status(made) == "Completed"


@pytest.mark.parametrize("operation", [cancel_job, lambda name: cancel_jobs([name])["refused"][name]])
def test_a_cancel_during_the_settle_waits_for_it_and_says_what_came_of_it(handled, monkeypatch, operation):
    # Seen failing: the cancel was accepted, and the job Completed.
    finish = runs.finish
    canceller: list[Meanwhile] = []

    def finish_meanwhile(*arguments, **more):
        canceller.append(Meanwhile(lambda: committed(operation, made.name)))
        until(lambda: database.value(LOOKS_AT_THE_ROW), 20, "the cancel's look at the row")
        return finish(*arguments, **more)

    made = submitted(handled(add_note))
    monkeypatch.setattr(runs, "finish", finish_meanwhile)
    assert run(made)["status"] == "Completed"
    answer = canceller[0].answer()
    assert "is Completed and can't be canceled" in str(answer)
    assert notes(made) == 1


def test_a_request_whose_job_has_a_checkpoint_row_only_is_none(handled):
    # The row that the handler's own checkpoint made is no request.
    made = submitted(handled(lambda context: context.checkpoint({"done": 1})))
    assert run(made)["status"] == "Completed"


def test_a_handler_that_cancels_its_own_job_and_returns_ends_canceled(handled):
    def cancel_itself(context):
        add_note(context)
        cancel_job(context.job_id, reason="nothing to do")
        cancel_job(context.job_id)

    made = submitted(handled(cancel_itself))
    assert run(made)["status"] == "Canceled"
    assert notes(made) == 0
    lock = named_locks.lock_name(cancel_lock.lock_of({"name": made.name, "attempt": 1}))
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT IS_FREE_LOCK(%s)", (lock,))
        assert cursor.fetchone()[0] == 1


@pytest.mark.parametrize(("seconds", "end"), [(21, "Canceled"), (60, "Dead Letter")])
def test_a_rescue_waits_for_a_cancel_as_long_as_a_settle_does(handled, seconds, end):
    # Seen failing: Dead Letter, though the cancel had been accepted before.
    made = submitted(handled(add_note))
    attempts.taken(made.name, 1)
    set_columns(made, crash_count=2)
    lose(made, seconds)
    is_accepted, is_over = threading.Event(), threading.Event()

    def cancel_slowly():
        cancel_job(made.name)
        is_accepted.set()
        assert is_over.wait(30)
        frappe.db.commit()

    with settings(lease_seconds=20):
        canceller = Meanwhile(cancel_slowly)
        assert is_accepted.wait(30)
        rescue.rescue_lost()
        assert status(made) == ("Running" if end == "Canceled" else end)
        is_over.set()
        assert canceller.answer() is None
        rescue.rescue_lost()
    assert status(made) == end


@pytest.mark.parametrize("callbacks", ["before_commit", "after_commit"])
def test_the_lock_of_a_cancel_ends_with_a_commit_that_another_callback_stopped(handled, callbacks):
    # Seen failing: the connection kept the lock. Nobody else could cancel the job then, nor end it by force.
    def refuse() -> None:
        raise RuntimeError("another app")

    job = submitted(factory.job_type("plain"))
    claimed(job)
    frappe.db.rollback()
    getattr(frappe.db, callbacks).add(refuse)
    cancel_job(job.name)
    with pytest.raises(RuntimeError, match="another app"):
        frappe.db.commit()
    frappe.db.rollback()
    lock = named_locks.lock_name(cancel_lock.lock_of({"name": job.name, "attempt": 1}))
    assert database.value("SELECT IS_FREE_LOCK(%s)", lock) == 1
