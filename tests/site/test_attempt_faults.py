"""What goes wrong around a handler: in the database, its exceptions, the settle itself (regressions 22, 26, 32)."""

from __future__ import annotations

import inspect
import threading

import frappe
import pytest
from frappe.database.database import Database

from dartwing_core.jobs import JobContext, executor, get_job_history, get_job_status
from dartwing_core.jobs.job import runs
from dartwing_core.jobs.lib import config, sql
from dartwing_core.jobs.sweep import sweeper
from tests.support import contents, database, factory
from tests.support.handlers import DEADLOCK_ROWS
from tests.support.jobs import run, submitted
from tests.support.sessions import in_parallel

pytestmark = pytest.mark.usefixtures("no_sweep_in_between")


def notes() -> int:
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
    assert notes() == 0


@pytest.mark.usefixtures("deadlock_rows")
def test_a_handler_that_rolls_back_after_a_deadlock_and_begins_again_completes():
    job = submitted(factory.job_type("deadlock", "deadlocked"), title="test note", then="rollback")
    assert run(job)["status"] == "Completed"
    assert notes() == 2


@pytest.mark.usefixtures("deadlock_rows")
@pytest.mark.skipif("chain" not in inspect.signature(Database.commit).parameters, reason="commit(chain) is Frappe 16's")
@pytest.mark.parametrize(("then", "status", "rows"), [("chain", "Failed", 0), ("rollback_chain", "Completed", 2)])
def test_chained_transactions_are_watched_too(then, status, rows):
    job = submitted(factory.job_type("deadlock", "deadlocked"), title="test note", then=then)
    assert run(job)["status"] == status
    assert notes() == rows


def test_what_a_handler_makes_of_the_time_limit_is_a_time_limit_still(monkeypatch):
    # I9. Broken by taking `_actual_error` out of `executor.Attempt.make`: Dead Letter at once, for a permanent error.
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


def test_a_handler_may_change_the_schema():
    # DDL ends the transaction without losing anything; a savepoint as a tell-tale would take it for a deadlock.
    job = submitted(factory.job_type("ddl", "changes_the_schema"), title="test note")
    assert run(job)["status"] == "Completed"
    assert notes() == 1


def test_an_exception_that_cant_be_looked_at_is_a_failure_like_another():
    after = run(submitted(factory.job_type("odd", "raises_something_odd")))
    assert (after["status"], after["error_message"]) == ("Failed", "OddError")


def test_a_failure_whose_rules_cant_be_read_is_retried(monkeypatch):
    def unreadable(_name):
        raise ValueError("delays")

    monkeypatch.setattr(config, "retry_policy", unreadable)
    after = run(submitted(factory.job_type("note", "add_note"), title="test note", then="fail_for_good"))
    assert (after["status"], after["error_message"]) == ("Failed", "PermanentError")


@pytest.mark.parametrize("seconds", ["inf", "1e300"])
def test_a_snooze_is_a_year_at_most_and_a_number(seconds):
    after = run(submitted(factory.job_type("snooze", "snoozes_for"), seconds=seconds))
    assert after["status"] == "Pending"
    assert "3.1536e+07 s" in get_job_history(after["job_id"])["history"][-1]["message"]
    assert run(submitted(factory.job_type("snooze", "snoozes_for"), seconds="nan"))["status"] != "Pending"


def once(monkeypatch, owner, name: str, error: BaseException, *, after: bool = False) -> None:
    """Have this function raise at its first call, before or after it does its work."""
    original, left = getattr(owner, name), [error]

    def wrapped(*arguments, **options):
        if after:
            result = original(*arguments, **options)
        if left:
            raise left.pop()
        return result if after else original(*arguments, **options)

    monkeypatch.setattr(owner, name, wrapped)


def gone() -> Exception:
    driver = type(frappe.db._conn).__module__.split(".")[0]
    return __import__(driver).OperationalError(2013, "Lost connection to server during query")


def deadlock() -> Exception:
    driver = type(frappe.db._conn).__module__.split(".")[0]
    return __import__(driver).OperationalError(1213, "Deadlock found")


@pytest.mark.parametrize("error", [gone, deadlock])
def test_a_failure_is_written_although_the_database_was_away_for_a_moment(monkeypatch, error):
    monkeypatch.setattr(executor.connection, "PAUSES", (0, 0))
    once(monkeypatch, runs, "settle", error())
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
    assert database.value("SELECT COUNT(*) FROM tabNote WHERE title = %s", f"test {job.name}") == ("Completed" in ends)
    assert "migration" in "".join(event["message"] for event in get_job_history(job.name)["history"])


def test_a_sweep_whose_snapshot_is_older_than_a_migration_takes_another():
    # Seen failing (0) without `TABLE_CHANGED` in `server_errors.CONFLICTS`.
    job = submitted(factory.job_type("plain"), n=1)
    run(job)
    looks = []

    def look_and_migrate() -> int:
        found = frappe.db.sql("SELECT 1 FROM tabNote LIMIT 1")
        if not looks:
            with database.another_connection() as other, other.cursor() as cursor:
                cursor.execute("ALTER TABLE `tabBackground Job` FORCE")
        looks.append(found)
        return len(frappe.db.sql("SELECT name FROM `tabBackground Job` WHERE name = %s", job.name))

    frappe.db.rollback()
    assert sql.committed(look_and_migrate) == 1
    assert len(looks) == 2
