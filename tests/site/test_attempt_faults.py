"""What goes wrong around a handler: in the database, its exceptions, the settle itself (regressions 22, 26, 32).

And what it may do: checkpoints, snoozing, steps.
"""

from __future__ import annotations

import threading

import frappe
import pytest

from dartwing_core.jobs import JobContext, executor, get_job_history, get_job_status
from dartwing_core.jobs.job import runs
from dartwing_core.jobs.sweep import sweeper
from dartwing_core.jobs.testing import fail_next
from tests.support import contents, database, factory
from tests.support.handlers import DEADLOCK_ROWS
from tests.support.jobs import messages, run, submitted
from tests.support.lifecycle import made
from tests.support.rows import notes
from tests.support.sessions import in_parallel

pytestmark = pytest.mark.usefixtures("no_sweeps")


def own_notes() -> int:
    return database.value("SELECT COUNT(*) FROM tabNote WHERE title LIKE 'test note%%'")


@pytest.fixture
def deadlock_rows():
    """There before the handler's transaction begins: under snapshot isolation it could not lock younger ones."""
    with database.another_connection() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO tabToDo (name, description) VALUES (%s, 'test')", [(n,) for n in DEADLOCK_ROWS])
        yield
        frappe.db.rollback()
        cursor.execute("DELETE FROM tabToDo WHERE name LIKE 'test-deadlock-%'")


@pytest.mark.usefixtures("deadlock_rows")
@pytest.mark.parametrize("then", ["swallow", "commit", "checkpoint"])
def test_a_swallowed_deadlock_never_ends_completed_without_the_lost_writes(then):
    # Broken by taking `self.watch.check()` out of the executor: Completed, with one Note of two.
    job = submitted(factory.job_type("deadlock", "deadlocked"), title="test note", then=then)
    after = run(job)
    assert (after["status"], after["error_type"]) == ("Failed", "Transient")
    assert "undid this job's transaction" in after["error_message"]
    assert own_notes() == 0


@pytest.mark.usefixtures("deadlock_rows")
def test_a_handler_that_rolls_back_after_a_deadlock_and_begins_again_completes():
    job = submitted(factory.job_type("deadlock", "deadlocked"), title="test note", then="rollback")
    assert run(job)["status"] == "Completed"
    assert own_notes() == 2


class Unreadable(Exception):
    @property
    def retry_after(self):
        raise RuntimeError("of the error itself")


def test_an_error_that_cannot_be_inspected_fails_its_attempt_and_is_tried_again():
    job = submitted(factory.job_type("any"))
    with fail_next(Unreadable("the handler's own")):
        after = run(job)
    assert (after["status"], after["error_type"], after["error_message"]) == ("Failed", "Transient", "Unreadable")


def test_what_a_handler_makes_of_the_time_limit_is_a_time_limit_still(monkeypatch):
    # I9. Broken by taking `_actual_error` out of `Attempt.run`: Dead Letter at once, for a permanent error.
    monkeypatch.setattr(JobContext, "remaining_seconds", lambda self: 0.0)
    job = submitted(factory.job_type("note", "add_note", max_retries=2), title="test note", then="fail_for_good")
    after = run(job)
    assert (after["status"], after["error_type"]) == ("Timed Out", "Transient")
    assert "PermanentError" in contents.stored({"background_job": job.name}, "traceback", contents.RUN)


def test_the_first_checkpoints_of_two_jobs_do_not_deadlock(monkeypatch):
    # Broken by an UPDATE before the INSERT in `runs.write`: both lock the gap that the other one inserts into.
    jobs = [submitted(factory.job_type("state", "keeps_state"), fail=True, n=n) for n in range(2)]
    both_write = threading.Barrier(2)
    write = runs.write

    def write_together(*arguments, **options):
        if "state" in arguments[1]:
            both_write.wait(10)
        return write(*arguments, **options)

    monkeypatch.setattr(runs, "write", write_together)
    assert in_parallel([lambda job=job: executor.execute_job(job.name, 1) for job in jobs]) == [None, None]
    frappe.db.rollback()
    assert [get_job_status(job.name)["error_message"] for job in jobs] == ["asked to fail"] * 2


def test_a_snooze_is_a_year_at_most_and_a_number():
    after = run(submitted(factory.job_type("snooze", "snoozes"), seconds="inf"))
    assert after["status"] == "Pending"
    assert "3.1536e+07 s" in get_job_history(after["job_id"])["history"][-1]["message"]
    assert run(submitted(factory.job_type("snooze", "snoozes"), seconds="nan"))["status"] != "Pending"


@pytest.mark.parametrize("code", [2013, 1213], ids=["gone", "deadlock"])
def test_a_failure_is_written_although_the_database_was_away_for_a_moment(monkeypatch, code):
    settle, errors = runs.settle, [database.DRIVERS[0].OperationalError(code, "planned")]

    def away_at_first(*arguments, **more):
        if errors:
            raise errors.pop()
        return settle(*arguments, **more)

    monkeypatch.setattr(executor.connection, "PAUSES", (0, 0))
    monkeypatch.setattr(runs, "settle", away_at_first)
    after = run(submitted(factory.job_type("note", "add_note"), title="test note", then="fail"))
    assert (after["status"], after["retry_count"]) == ("Failed", 1)


@pytest.mark.parametrize(("times", "ends"), [(1, ["Failed", "Completed"]), (3, ["Failed", "Failed", "Dead Letter"])])
def test_a_table_changed_under_an_attempt_costs_no_retry(times, ends):
    # The settle's statements fail (1412) until a new snapshot is taken, so the attempt's work can't be kept.
    # Seen failing (Dead Letter at once, as the type allows no retries) without `TABLE_CHANGED` in `outcome.failure`.
    job_type = factory.job_type("migrated", f"{factory.FAULTS}.migrated", max_retries=0)
    job = submitted(job_type, times=times)
    for attempt, end in enumerate(ends, 1):
        after = run(job, attempt)
        assert (after["status"], after["retry_count"]) == (end, 0)
        sweeper.sweep()
    assert notes(job) == ("Completed" in ends)
    assert "migration" in "".join(event["message"] for event in get_job_history(job.name)["history"])


def test_a_retry_goes_on_from_the_checkpoint():
    job = submitted(made("batches", retry_delays="0"), batches=4, fail_after=3)
    assert run(job)["status"] == "Failed"
    assert notes(job) == 2, "what came after the last checkpoint was rolled back"
    sweeper.sweep()
    status = run(job, 2)
    assert (status["status"], status["result"], status["error_message"]) == ("Completed", {"first": 2}, None)
    assert notes(job) == 4


def test_snoozing_costs_no_retry_and_keeps_no_writes():
    job = submitted(made("snoozes", max_retries=0), until=3)
    for attempt in (1, 2):
        status = run(job, attempt)
        assert (status["status"], status["retry_count"], status["attempt"]) == ("Pending", 0, attempt)
        assert status["next_retry_at"] is None
        sweeper.sweep()
    assert run(job, 3)["status"] == "Completed"
    assert notes(job) == 0
    assert "Snoozed for 0 s" in messages(job)


@pytest.mark.parametrize(
    ("what", "status", "rows"),
    [
        ("user", "Completed", 1),
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
