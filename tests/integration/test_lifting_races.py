"""Lifted jobs: their rows and RQ say the same, whoever does something to them in that moment."""

from __future__ import annotations

import itertools

import frappe
import pytest

from dartwing_core.jobs import (
    admission,
    batch,
    batch_store,
    cancel,
    cancel_batch,
    cancel_job,
    executor,
    job,
    notes,
    redis_queue,
    rq_workers,
    store,
    sweeper,
)
from tests.support import database, factory, processes
from tests.support.jobs import status
from tests.support.queues import column, listed, one, run_next, seen, serve_all, submitted, taken, type_of
from tests.support.settings import settings


@pytest.fixture(autouse=True)
def workers(no_sweeps):
    with settings(queue_window=4):
        serve_all()
        yield


@pytest.fixture
def job_type() -> str:
    return type_of("plain")


def lifted(job_type: str):
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    run_next(2)
    assert seen(late) == ("Queued", "short")
    return late


def test_one_that_a_worker_takes_in_that_moment_runs_once(job_type):
    # Its entry is gone from the list: no other is made.
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    assert taken("default") == late.name
    run_next(2)
    assert seen(late) == ("Queued", "short")
    assert late.name not in listed("short")
    executor.execute_job(late.name, 1)
    assert seen(late) == ("Completed", "default")


def test_one_that_was_claimed_in_that_moment_stays_as_it_is(job_type, monkeypatch):
    # Broken by an UPDATE without the guard.
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    original = rq_workers.queues_served_after

    def claim_first(queue, others):
        database.rows("UPDATE `tabBackground Job` SET status = 'Running', attempt = 1 WHERE name = %s", late.name)
        return original(queue, others)

    monkeypatch.setattr(rq_workers, "queues_served_after", claim_first)
    run_next(2)
    assert seen(late) == ("Running", "default")
    assert late.name not in listed("short")


def test_the_sweeper_finds_the_entries_of_lifted_jobs_and_renews_lost_ones(job_type):
    late = lifted(job_type)
    database.age_queued(factory.BETA, 60)
    assert sweeper.ring_again(100) == 0
    processes.queue_client().flushdb()
    database.age_queued(factory.BETA, 60)
    assert sweeper.ring_again(100) >= 1
    assert (late.name in listed("short"), listed("default")) == (True, [])


def test_a_lifted_job_that_is_canceled_leaves_no_entry(job_type):
    late = lifted(job_type)
    cancel_job(late.name)
    frappe.db.commit()
    assert late.name not in listed("short")


def test_a_retry_of_a_lifted_job_waits_in_its_own_queue(job_type):
    failing = type_of("failing", function="raises", max_retries=2, retry_delays="1")
    submitted(job_type, "High", number=30)
    late = one(failing, "Normal", factory.BETA)
    run_next(2)
    assert seen(late) == ("Queued", "short")
    executor.execute_job(late.name, 1)
    assert seen(late) == ("Failed", "default")


def test_one_whose_entry_redis_lost_gets_another(job_type):
    # Broken by taking an entry that is in no list for one that a worker has just taken.
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    forget(late)
    run_next(2)
    assert (seen(late), late.name in listed("short")) == (("Queued", "short"), True)


def test_one_that_is_pushed_only_afterwards_runs_once(job_type):
    # Whoever queued it has committed, and pushes it once it is lifted: two entries, and one claim.
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    before = store.load(late.name)
    forget(late)
    run_next(2)
    redis_queue.push([before], processes.queue_client())
    assert (late.name in listed("short"), listed("default")) == (True, [late.name])
    run_next(1, "default")
    run_next(8)
    assert (status(late), column(late, "attempt")) == ("Completed", 1)


def forget(job) -> None:
    """Its entry is not in Redis."""
    redis_queue.remove([(store.load(job.name), "default")], processes.queue_client())


def test_a_cancel_that_read_the_job_before_it_was_lifted_leaves_no_entry(job_type):
    # Broken by looking in the queue that the canceler has read.
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    before = store.load(late.name)
    run_next(2)
    assert seen(late) == ("Queued", "short")
    cancel.cancel(before, None)
    frappe.db.commit()
    assert seen(late) == ("Canceled", "default"), "its own queue again"
    assert late.name not in listed("short")
    assert len(listed("short")) == 4, "another one has its place"


def test_a_batchs_cancel_that_read_a_member_before_it_was_lifted_leaves_no_entry(job_type, monkeypatch):
    submitted(job_type, "High", number=30)
    whole = batch(job(job_type, priority="Normal")).submit(factory.BETA)
    frappe.db.commit()
    late = frappe.get_doc("Background Job", {"parent_batch": whole.name})
    original = batch_store.members

    def lift_after_reading(*arguments):
        members = original(*arguments)
        if members:
            run_next(2)
            assert seen(late) == ("Queued", "short")
        return members

    monkeypatch.setattr(batch_store, "members", lift_after_reading)
    cancel_batch(whole.name)
    frappe.db.commit()
    assert seen(late) == ("Canceled", "default")
    assert late.name not in listed("short")
    assert len(listed("short")) == 4


def test_after_a_cancel_a_pass_that_fails_holds_up_no_other(job_type, monkeypatch):
    # Seen failing (`short` alone) with passes of which the first error ends all.
    jobs = [one(job_type, "High"), one(job_type, "Normal")]
    asked: list[str] = []

    def fail(queue: str, _after_end: bool) -> int:
        asked.append(queue)
        raise RuntimeError("planned")

    monkeypatch.setattr(admission, "admit", fail)
    admission.after_cancel([store.load(job.name) for job in jobs])
    assert asked == ["short", "default"]


def test_a_cancel_leaves_a_replaced_job_in_its_new_queue(job_type):
    # Seen failing (`default`) with the queue as the canceler has read it.
    with settings(is_paused=1):
        late = one(job_type, "Normal")
        before = store.load(late.name)
        database.rows("UPDATE `tabBackground Job` SET queue = 'short', priority = 'High' WHERE name = %s", late.name)
        frappe.db.rollback()
        cancel.cancel(before, None)
        frappe.db.commit()
        assert seen(late) == ("Canceled", "short")


def test_a_cancel_asks_the_attempt_that_begins_meanwhile(job_type, monkeypatch):
    # Seen failing with a canceler that takes its UPDATE for done: children told, RQ's record of the attempt removed.
    late, load, reads = one(job_type, "Normal"), store.load, itertools.count(1)

    def claim_after_reading(name, *fields):
        row = load(name, *fields)
        if next(reads) == 1:  # the one before the UPDATE
            frappe.db.commit()
            database.rows("UPDATE `tabBackground Job` SET status = 'Running', attempt = 1 WHERE name = %s", name)
        return row

    told: list = []
    monkeypatch.setattr(cancel, "_afterwards", told.append)
    monkeypatch.setattr(store, "load", claim_after_reading)
    cancel.ask_to_stop(late.name, "Administrator", "enough")
    assert (status(late), told) == ("Running", [])
    assert database.value("SELECT cancel_requested FROM `tabBackground Job Run` WHERE background_job = %s", late.name)


def test_one_that_is_replaced_by_a_job_of_another_queue_is_not_queued_in_the_old_one(job_type, monkeypatch):
    # Broken by moving it whatever queue it is in by now.
    *_first, job, other = submitted(job_type, "High", number=6)
    original = notes.kept

    def replace_first(*arguments):
        # As a newer request of lower priority does, once the pass has its snapshot.
        database.rows("UPDATE `tabBackground Job` SET queue = 'default', priority = 'Normal' WHERE name = %s", job.name)
        return original(*arguments)

    monkeypatch.setattr(notes, "kept", replace_first)
    run_next(2)
    assert (seen(job), seen(other)) == (("Pending", "default"), ("Queued", "short"))
