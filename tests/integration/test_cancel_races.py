"""A cancel that was accepted before the settle wins, and no operation is refused for an old view of a live job."""

from __future__ import annotations

import threading

import frappe
import pytest

from dartwing_core.jobs import (
    InvalidTransitionError,
    PermanentError,
    TransientError,
    batch,
    cancel_job,
    cancel_jobs,
    executor,
    get_job_history,
    get_job_status,
    job,
    reschedule_job,
    retry_batch,
    retry_job,
    retry_jobs,
    run_now,
)
from dartwing_core.jobs.db import named_locks
from dartwing_core.jobs.ending import cancel
from dartwing_core.jobs.recovery import rescue, sweeper
from dartwing_core.jobs.store import cancel_lock, runs
from tests.support import attempts, database, factory, handlers
from tests.support.jobs import lose, run, set_columns, status, submitted, submitted_with
from tests.support.sessions import in_parallel
from tests.support.settings import settings
from tests.support.waiting import until

HAS_RUN_ROW = "SELECT 1 FROM `tabBackground Job Run` WHERE name = %s"
SETTLES = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%% SET `status`=%%IS_FREE_LOCK(%%'"
LOOKS_AT_THE_ROW = """
    SELECT COUNT(*) FROM information_schema.PROCESSLIST
    WHERE INFO LIKE 'SET STATEMENT innodb_lock_wait_timeout=%% FOR SELECT `status`,`attempt` %% FOR UPDATE'
"""

WAITS_FOR_THE_LOCK = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT GET_LOCK(%%cancel:%%'"


@pytest.fixture(autouse=True)
def _no_sweep_in_between(monkeypatch):
    monkeypatch.setattr(sweeper, "sweep_now_and_then", lambda: None)


@pytest.fixture
def handled(monkeypatch):
    """Give the jobs of a type a handler: a function of its test."""

    def make(function):
        monkeypatch.setattr(handlers, "nothing", handlers.job_handler(function))
        name = factory.job_type("handled", "nothing")
        frappe.db.commit()
        return name

    return make


def add_note(context) -> None:
    frappe.get_doc({"doctype": "Note", "title": f"test {context.job_id}", "public": 1}).insert(ignore_permissions=True)


def notes(made) -> int:
    return database.value("SELECT COUNT(*) FROM tabNote WHERE title = %s", f"test {made.name}")


def committed(operation, *arguments, **more):
    answer = operation(*arguments, **more)
    frappe.db.commit()
    return answer


def elsewhere(operation, *arguments, **more) -> None:
    """Do it in another session, and commit."""
    (result,) = in_parallel([lambda: committed(operation, *arguments, **more)])
    if isinstance(result, BaseException):
        raise result


class Meanwhile:
    """Something that another session does while this one goes on."""

    def __init__(self, action):
        self._answer = []
        self._thread = threading.Thread(target=lambda: self._answer.extend(in_parallel([action])))
        self._thread.start()

    def answer(self):
        self._thread.join(60)
        return self._answer[0]


# Against the settle


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
    monkeypatch.setattr(cancel_lock, "hold_settle", lambda job: pytest.fail("waits for the row"))
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


# With an old view of the job


def look() -> None:
    """From now on this transaction sees the database as it is at this moment; and it has work of its own."""
    frappe.db.commit()
    frappe.get_doc({"doctype": "Note", "title": "test caller", "public": 1}).insert(ignore_permissions=True)
    frappe.db.sql("SELECT COUNT(*) FROM `tabBackground Job`")


def callers_work_is_there(is_committed: bool) -> bool:
    return database.value("SELECT COUNT(*) FROM tabNote WHERE title = 'test caller'") == int(is_committed)


def claimed(made) -> None:
    elsewhere(attempts.taken, made.name, 1)


def finished(made) -> None:
    elsewhere(executor.execute_job, made.name, 1)


def becomes(*statuses: str):
    """Let another session give the job these states, one by one."""

    def change(made) -> None:
        for state in statuses:
            elsewhere(frappe.db.set_value, "Background Job", made.name, "status", state)

    return change


OPERATIONS = {
    "cancel": cancel_job,
    "cancel many": lambda name: cancel_jobs([name]),
    "retry": retry_job,
    "retry many": lambda name: retry_jobs([name]),
    "reschedule": lambda name: reschedule_job(name, 3600),
    "run now": run_now,
}


@pytest.mark.parametrize(
    ("operation", "seen", "meanwhile", "end"),
    [
        ("cancel", "Queued", claimed, "Running"),
        ("cancel", "Pending", becomes("Queued"), "Canceled"),
        ("cancel", "Running", becomes("Failed"), "Canceled"),
        ("cancel", "Dead Letter", becomes("Pending"), "Canceled"),
        ("cancel many", "Queued", becomes("Pending"), "Canceled"),
        ("retry", "Failed", becomes("Dead Letter"), "Pending"),
        ("retry", "Running", becomes("Failed"), "Pending"),
        ("retry many", "Queued", becomes("Timed Out"), "Queued"),
        ("reschedule", "Running", becomes("Pending"), "Pending"),
        ("run now", "Running", becomes("Failed"), "Failed"),
    ],
)
def test_an_operation_on_a_job_that_has_just_changed_goes_on(operation, seen, meanwhile, end):
    # Seen failing: refused with "has just changed", or for a state that the job had left.
    made = submitted(factory.job_type("plain"))
    set_columns(made, status=seen)
    look()
    meanwhile(made)
    answer = OPERATIONS[operation](made.name)
    if isinstance(answer, dict):
        assert answer == {"done": [made.name], "refused": {}}
    else:
        assert answer.status == end
    assert callers_work_is_there(is_committed=False)
    frappe.db.commit()
    assert callers_work_is_there(is_committed=True)
    if operation != "run now":
        assert status(made) in (end, "Queued")
    if end == "Running":
        assert runs.cancel_request(f"{made.name}-1")


def test_a_refusal_says_what_the_job_is_now():
    # Seen failing: accepted, for a job that had completed before.
    made = submitted(factory.job_type("plain"))
    set_columns(made, status="Running", attempt=1)
    look()
    becomes("Completed")(made)
    with pytest.raises(InvalidTransitionError, match="is Completed and can't be canceled"):
        cancel_job(made.name)


def test_a_transaction_is_told_of_its_own_changes():
    made = submitted(factory.job_type("plain"))
    cancel_job(made.name)
    with pytest.raises(InvalidTransitionError, match="is Canceled and can't be canceled"):
        cancel_job(made.name)
    other = submitted_with(factory.job_type("plain"), parameters={"n": 2}, available_at=3600)
    reschedule_job(other.name, 7200)
    assert cancel_job(other.name).status == "Canceled"
    frappe.db.commit()
    assert (status(made), status(other)) == ("Canceled", "Canceled")


def test_retrying_a_batch_takes_along_members_that_have_just_failed():
    # Seen failing: "No job of batch … has failed."
    kind = factory.job_type("planned", "planned", max_retries=0)
    found = batch(*[job(kind, {"plan": ["fail", "ok"], "n": n}) for n in range(2)]).submit(factory.ALPHA)
    frappe.db.commit()
    members = frappe.get_all("Background Job", {"parent_batch": found.name}, pluck="name")
    look()
    for name in members:
        elsewhere(executor.execute_job, name, 1)
    assert retry_batch(found.name) == {"batch_id": found.name, "retried": 2, "skipped": {}}
    frappe.db.commit()
    assert {get_job_status(name)["status"] for name in members} <= {"Pending", "Queued"}


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
