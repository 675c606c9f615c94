"""One operation on many jobs: each is done or refused by itself, with the reason."""

from __future__ import annotations

from unittest import mock

import frappe
import pytest

from dartwing_core.jobs import (
    InvalidJobError,
    JobBusyError,
    cancel_all_jobs,
    cancel_jobs,
    delete_jobs,
    engine,
    retry_jobs,
    submit_batch,
)
from dartwing_core.jobs.job import record
from dartwing_core.jobs.lib import sql
from dartwing_core.jobs.line import claim
from dartwing_core.jobs.operations import organizations
from dartwing_core.jobs.submit import dedup
from tests.support import attempts, batches, database, factory
from tests.support.jobs import run, set_columns, status, submit_many, submitted_by, submitted_for, submitted_with
from tests.support.sessions import as_user, claimed, committed, elsewhere, in_parallel

NOWHERE = "JOB-1K00000000000NOWHERE"
DEADLOCK = database.DRIVERS[0].OperationalError(1213, "Deadlock found")


@pytest.fixture
def mixed(alice, bob) -> dict:
    """Jobs of Alice that wait, are dead letters and completed, and one of Bob's."""
    kind = factory.job_type("note", "add_note")
    jobs = {
        "waiting": submitted_by(alice, factory.job_type("plain"), n=1),
        "dead": submitted_by(alice, kind, title="test dead", then="fail_for_good"),
        "done": submitted_by(alice, kind, title="test done"),
        "foreign": submitted_for(bob, factory.BETA, factory.job_type("other"), n=1),
    }
    run(jobs["dead"])
    run(jobs["done"])
    return jobs


def asked(operation, user: str, jobs) -> dict:
    return as_user(user, committed, operation, [job.name for job in jobs])


def test_canceling_jobs_in_mixed_states_cancels_those_that_can_be(mixed, alice):
    answer = asked(cancel_jobs, alice, mixed.values())
    assert answer["done"] == [mixed["waiting"].name]
    assert "can't be canceled" in answer["refused"][mixed["dead"].name]
    assert "not found" in answer["refused"][mixed["foreign"].name]
    assert status(mixed["waiting"]) == "Canceled"
    assert status(mixed["foreign"]) != "Canceled"


def test_retrying_jobs_in_mixed_states_retries_the_failed_ones(mixed, alice):
    answer = asked(retry_jobs, alice, mixed.values())
    assert answer["done"] == [mixed["dead"].name]
    assert set(answer["refused"]) == {mixed[name].name for name in ("waiting", "done", "foreign")}
    assert status(mixed["dead"]) in ("Pending", "Queued")


def test_deleting_is_for_system_managers_and_for_jobs_that_are_over(mixed, alice):
    # Seen failing: an answer with each job refused by itself.
    with pytest.raises(frappe.PermissionError, match="Only a System Manager may delete jobs"):
        asked(delete_jobs, alice, [mixed["dead"]])
    frappe.set_user("Administrator")
    answer = asked(delete_jobs, "Administrator", mixed.values())
    assert set(answer["done"]) == {mixed["dead"].name, mixed["done"].name}
    assert "Cancel it before" in answer["refused"][mixed["waiting"].name]
    assert not frappe.db.exists("Job Execution Log", {"background_job": mixed["dead"].name})


def end_window(job) -> None:
    """Let the window of a job's content be over: an equal one may be submitted."""
    frappe.db.sql("UPDATE `tabBackground Job` SET dedup_until_epoch = 0 WHERE name = %s", (job.name,))
    frappe.db.commit()


def dead_twin(user: str, kind: str):
    """One of several equal jobs, each a dead letter whose window is over."""
    job = submitted_by(user, kind, title="test twin", then="fail_for_good")
    run(job)
    end_window(job)
    return job


@pytest.mark.parametrize("error", [RuntimeError("no disk left"), DEADLOCK])
def test_an_error_of_another_kind_stops_no_running_job(alice, monkeypatch, error):
    # Seen failing: the first job was asked to stop once the caller had committed.
    cancel, seen = engine.cancel_job, []

    def fail_at_the_second(name, **named):
        seen.append(name)
        if len(seen) == 2:
            if error is DEADLOCK:
                frappe.db.sql("ROLLBACK")  # as the server does
            raise error
        return cancel(name, **named)

    jobs = [submitted_by(alice, factory.job_type("plain"), n=number) for number in range(2)]
    for job in jobs:
        claimed(job)
    monkeypatch.setattr(engine, "cancel_job", fail_at_the_second)
    with pytest.raises(type(error), match=str(error.args[-1])):
        as_user(alice, lambda: cancel_jobs([job.name for job in jobs]))
    frappe.db.commit()
    asked = "SELECT COUNT(*) FROM `tabBackground Job Run` WHERE cancel_requested = 1"
    assert (database.value(asked), [status(job) for job in jobs]) == (0, ["Running", "Running"])
    elsewhere(as_user, alice, lambda: cancel_jobs([jobs[0].name]))  # no lock of it is held
    assert database.value(asked) == 1


def test_contents_are_locked_before_rows(alice):
    # Seen failing: a retry of the whole batch held the contents and waited for a row, which this one held while it
    # waited for a content. The server does not see such a deadlock: both stood still for half a minute.
    kind = factory.job_type("note", "add_note", deduplication_window=300)
    frappe.set_user(alice)
    jobs = [{"job_type": kind, "parameters": {"title": f"test {n}", "then": "fail_for_good"}} for n in range(2)]
    jobs[0]["deduplication"] = "never"
    batch = committed(submit_batch, factory.ALPHA, jobs)
    names = frappe.get_all("Background Job", {"parent_batch": batch.name}, ["name", "dedup_hash"])
    for job in names:
        run(job)
    free, shared = sorted(names, key=lambda job: bool(job.dedup_hash))
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (sql.lock_name(shared.dedup_hash),))
        with mock.patch.object(dedup, "LOCK_WAIT_SECONDS", 1), pytest.raises(JobBusyError):
            retry_jobs([free.name, shared.name])
        cursor.execute("SELECT name FROM `tabJob Batch` WHERE name = %s FOR UPDATE NOWAIT", (batch.name,))
        assert cursor.fetchone()
    frappe.db.rollback()


def test_an_equal_job_that_somebody_else_retries_meanwhile_is_retried_once(alice):
    # Seen failing: the snapshot, which was older than the lock, told that the other one was still a dead letter.
    kind = factory.job_type("note", "add_note", deduplication_window=300)
    first, holder = dead_twin(alice, kind), dead_twin(alice, kind)
    lock = dedup.lock_contents_of

    def lock_late(names: list[str]) -> None:
        lock(names)
        with database.another_connection() as other, other.cursor() as cursor:
            cursor.execute("UPDATE `tabBackground Job` SET status = 'Queued' WHERE name = %s", (holder.name,))
            other.commit()

    frappe.set_user(alice)
    with mock.patch.object(dedup, "lock_contents_of", lock_late):
        answer = retry_jobs([first.name])
    assert answer["done"] == []
    frappe.db.rollback()
    answer = asked(retry_jobs, alice, [first, holder])
    assert len(answer["done"]) <= 1, "nor both of them in one call"


def test_a_job_is_retried_whose_twin_has_ended_meanwhile(alice):
    # Seen failing: all that a bulk retry had locked counted as written by it, so an old snapshot was believed.
    kind = factory.job_type("note", "add_note", deduplication_window=300)
    dead = dead_twin(alice, kind)
    twin = submitted_by(alice, kind, title="test twin", then="fail_for_good")
    assert frappe.db.get_value("Background Job", dead.name, "status") == "Dead Letter", "begins the snapshot"
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("UPDATE `tabBackground Job` SET status = 'Canceled' WHERE name = %s", (twin.name,))
        other.commit()
    frappe.set_user(alice)
    assert retry_jobs([dead.name])["done"] == [dead.name]
    frappe.db.rollback()


def test_names_given_twice_count_once_and_missing_ones_are_refused(mixed, alice):
    frappe.set_user(alice)
    answer = cancel_jobs([mixed["waiting"].name, mixed["waiting"].name, NOWHERE])
    assert answer["done"] == [mixed["waiting"].name]
    assert list(answer["refused"]) == [NOWHERE]
    assert frappe.local.message_log == [], "the answer says it, no dialog"


# All of an organization ----------------------------------------------------------------------------------------------


@pytest.fixture
def states(mixed, alice) -> dict:
    """More jobs of Alice: one runs, one is retried later, one waits for its time, one is a child of the one in line."""
    kind = factory.job_type("note", "add_note")
    jobs = {**mixed, "retrying": submitted_by(alice, kind, title="test again", then="fail")}
    run(jobs["retrying"])
    jobs["running"] = submitted_by(alice, factory.job_type("slow", "slow"), seconds=9)
    claimed(jobs["running"])
    jobs["later"] = submitted_with(kind, parameters={"title": "test later"}, available_at=3_600)
    jobs["child"] = submitted_with(kind, parameters={"title": "test child"}, depends_on=jobs["waiting"].name)
    return jobs


def all_canceled(user: str, **more) -> dict:
    return as_user(user, lambda: committed(cancel_all_jobs, factory.title_of(factory.ALPHA), **more))


def test_all_waiting_jobs_of_an_organization_are_canceled(states):
    answer = all_canceled("Administrator", only_waiting=True)
    assert answer == {"canceled": 4, "stopping": 0, "left": 0}
    found = {name: status(job) for name, job in states.items()}
    canceled = [name for name, state in found.items() if state == "Canceled"]
    assert sorted(canceled) == ["child", "later", "retrying", "waiting"]
    assert (found["running"], found["foreign"]) == ("Running", "Queued")
    assert all_canceled("Administrator", reason="no more") == {"canceled": 0, "stopping": 1, "left": 0}
    assert database.value("SELECT COUNT(*) FROM `tabBackground Job Run` WHERE cancel_requested = 1") == 1


def test_a_cancel_of_all_leaves_the_jobs_that_tell_apps_of_events(alice):
    # Seen failing: with all that a System Manager sees.
    job = submitted_by(alice, factory.job_type("plain"), n=1)
    set_columns(job, owner_user="Administrator", job_type="enqueued_function")
    assert all_canceled("Administrator") == {"canceled": 0, "stopping": 0, "left": 0}
    assert status(job) == "Queued"


def test_a_cancel_of_all_reaches_what_its_user_sees(states, alice, bob):
    admin = factory.user("cancel_admin", factory.ALPHA, org_role="Admin")
    assert all_canceled(bob)["canceled"] == 0, "as for an organization that does not exist"
    assert all_canceled(alice, only_waiting=True)["canceled"] == 2
    assert all_canceled(admin, only_waiting=True)["canceled"] == 1, "and the child ended with its parent"
    for nothing in ("", None):
        with pytest.raises(InvalidJobError, match="organization is missing"):
            cancel_all_jobs(nothing)


def test_a_cancel_of_all_goes_in_steps_and_tells_what_is_left(alice, monkeypatch):
    # The oldest job is locked, and another one begins when the cancel has read the jobs.
    locked, begun, *others = submit_many(factory.job_type("plain"), 6)
    cancel, steps = record.cancel_all, []

    def in_steps(jobs, *more):
        if not steps:
            claimed(begun)
        steps.append(len(jobs))
        return cancel(jobs, *more)

    monkeypatch.setattr(organizations, "AT_ONCE", 2)
    monkeypatch.setattr(record, "cancel_all", in_steps)
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE", (locked.name,))
        answer = all_canceled("Administrator", only_waiting=True)
    assert (answer, steps) == ({"canceled": 4, "stopping": 0, "left": 1}, [2, 2, 2])
    assert [status(job) for job in (locked, begun, *others)] == ["Queued", "Running", *["Canceled"] * 4]


def test_a_cancel_of_too_many_says_how_many_are_left(alice, monkeypatch):
    jobs = submit_many(factory.job_type("plain"), 6)
    monkeypatch.setattr(engine, "BULK_LIMIT", 4)
    assert all_canceled("Administrator") == {"canceled": 4, "stopping": 0, "left": 2}
    assert [status(job) for job in jobs[:3]] == ["Queued", "Queued", "Canceled"]
    assert all_canceled("Administrator") == {"canceled": 2, "stopping": 0, "left": 0}


def test_a_cancel_of_all_stops_running_jobs_behind_any_number_of_waiting_ones(alice, monkeypatch):
    # Seen failing: the jobs that are left were read in the order of an index, where Running comes after Queued.
    jobs = submit_many(factory.job_type("plain"), 12)
    claimed(jobs[0])
    monkeypatch.setattr(engine, "BULK_LIMIT", 4)
    answer = all_canceled("Administrator")
    assert (answer["canceled"], answer["stopping"], answer["left"] > 0) == (4, 1, True)


def test_workers_do_not_look_long_at_what_a_cancel_of_all_has_locked(bob):
    # Seen failing: with 10,000 jobs, a worker tried each of them, for 37 seconds.
    submit_many(factory.job_type("plain"), 700)
    other = submitted_for(bob, factory.BETA, factory.job_type("other"))
    answer = cancel_all_jobs(factory.ALPHA)
    with mock.patch.object(claim, "_lock", wraps=claim._lock) as lock:
        assert in_parallel([attempts.run_all]) == [[other.name]], "before the commit"
    assert (answer["canceled"], lock.call_count < 700) == (700, True)
    frappe.db.rollback()


def test_a_cancel_of_all_ends_batches_and_children_elsewhere(alice):
    kind = factory.job_type("plain")
    batch = as_user(alice, lambda: committed(submit_batch, factory.ALPHA, [{"job_type": kind}]))
    assert all_canceled("Administrator")["canceled"] == 1
    frappe.db.rollback()
    assert batches.state(batch) == "Failed"
