"""A cancel ends what waits and asks what runs; a retry opens a batch again, and makes no callback twice."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import (
    InvalidTransitionError,
    bulk_retry_dead_letter,
    cancel_batch,
    chain,
    executor,
    get_batch_status,
    job,
    retry_batch,
    retry_job,
)
from dartwing_core.jobs.after import cancel
from dartwing_core.jobs.job import batch_store
from dartwing_core.jobs.sweep import sweeper
from tests.support import attempts, factory
from tests.support.batches import callbacks, made, members, run, state, status_of, work
from tests.support.jobs import status, submitted_with
from tests.support.sessions import in_parallel

pytestmark = pytest.mark.usefixtures("no_sweeps")


def test_cancel_ends_what_waits_and_asks_what_runs(step):
    found = made(chain(step("a"), step("b")), step("c"), step("d", "fail", "ok"), step("e"))
    names = members(found)
    run(names["c"])
    run(names["d"])
    outside = submitted_with(
        "test_step", parameters={"plan": ["ok"], "key": "x"}, depends_on=[names["b"]], on_parent_failure="cancel"
    )
    cancel_batch(found.name, "wrong file")
    assert status(outside) == "Pending"
    frappe.db.rollback()
    cancel_batch(found.name, "wrong file")
    frappe.db.commit()
    frappe.db.rollback()
    counts = get_batch_status(found.name)["job_count_by_status"]
    assert counts == {"Completed": 1, "Canceled": 4}
    assert (state(found), callbacks(found).keys()) == ("Canceled", {"on_failure", "on_complete"})
    assert status(outside) == "Canceled", "and not for what happened to a"
    assert attempts.run_next() in callbacks(found).values(), "and neither d nor e"
    with pytest.raises(InvalidTransitionError, match="has already ended"):
        cancel_batch(found.name)


def test_a_retry_does_not_undo_a_cancel_that_goes_on(step, monkeypatch):
    # Seen failing when `reopen` takes the request back: the jobs that wait would run after all.
    found = made(step("a", "dead", "ok"), step("b"), callbacks=())
    names = members(found)
    run(names["a"])
    monkeypatch.setattr(cancel, "drain", lambda *_arguments: None)
    cancel_batch(found.name)
    frappe.db.commit()
    retry_job(names["a"])
    frappe.db.commit()
    monkeypatch.undo()
    sweeper.sweep()
    assert (state(found), status_of(names["a"]), status_of(names["b"])) == ("Canceled", "Canceled", "Canceled")


def test_a_sweep_during_a_cancel_ends_no_job_with_its_parent(step, monkeypatch):
    # Seen failing with the oldest first: the jobs of a chain end in Dead Letter, and their owner is told.
    found = made(chain(step("a"), step("b"), step("c")), callbacks=())
    members_of = batch_store.members

    def before_a_sweep(*arguments):
        found = members_of(*arguments)
        sweeper.release_children(10)
        return found

    monkeypatch.setattr(cancel, "AT_ONCE", 1)
    monkeypatch.setattr(batch_store, "members", before_a_sweep)
    cancel_batch(found.name)
    frappe.db.commit()
    frappe.db.rollback()
    assert get_batch_status(found.name)["job_count_by_status"] == {"Canceled": 3}


def test_a_batch_that_goes_on_was_not_canceled(step):
    # Seen failing: it kept who had canceled it, and why, also when it was completed after that.
    found = made(step("a", "dead", "ok"), step("b", "ok"))
    names = members(found)
    run(names["a"])
    cancel_batch(found.name, "wrong file")
    frappe.db.commit()
    assert get_batch_status(found.name)["canceled_by"] == "Administrator"
    retry_batch(found.name)
    frappe.db.commit()
    sweeper.sweep()
    assert (state(found), status_of(names["a"])) == ("Running", "Queued")
    fields = ["status", "cancel_requested", "canceled_by", "sealed_cancel_reason", "completed_at"]
    assert frappe.db.get_value("Job Batch", found.name, fields) == ("Running", 0, None, None, None)


def test_retry_runs_what_failed_and_makes_no_callback_twice(step):
    found = made(step("a", "dead", "ok"), chain(step("b", "dead", "ok"), step("c")), step("d"))
    names = members(found)
    for key in "abd":
        run(names[key])
    assert (state(found), status_of(names["c"])) == ("Failed", "Dead Letter")
    first = callbacks(found)
    told = retry_batch(found.name)
    frappe.db.commit()
    assert (told["retried"], told["skipped"], state(found)) == (3, {}, "Running")
    assert get_batch_status(found.name)["completed_at"] is None
    work()
    assert state(found) == "Completed"
    assert callbacks(found) == first | {"on_success": callbacks(found)["on_success"]}
    with pytest.raises(InvalidTransitionError, match="No job of batch"):
        retry_batch(found.name)


def test_a_single_retry_opens_the_batch_again(step):
    found = made(step("a", "dead", "ok"), callbacks=("on_success",))
    name = members(found)["a"]
    run(name)
    assert state(found) == "Failed"
    retry_job(name)
    frappe.db.commit()
    assert state(found) == "Running"
    run(name)
    assert (state(found), callbacks(found).keys()) == ("Completed", {"on_success"})


def test_a_job_retried_in_vain_ends_its_batch_again(step):
    # Seen failing when only the job's children are told that its parent will not complete.
    found = made(chain(step("a", "dead"), step("b")), callbacks=())
    names = members(found)
    run(names["a"])
    retry_job(names["b"])
    frappe.db.commit()
    assert (status_of(names["b"]), state(found)) == ("Dead Letter", "Failed")


def test_a_retry_that_is_refused_leaves_its_batch_closed(step):
    # Seen failing when the batch is opened before the job's content is asked for.
    once = factory.job_type("once", "scripted", deduplication_window=1, max_retries=0)
    found = made(job(once, {"plan": ["dead"]}, key="a"), callbacks=())
    run(members(found)["a"])
    frappe.db.sql("UPDATE `tabBackground Job` SET dedup_until_epoch = 0 WHERE job_type = %s", (once,))
    frappe.db.set_value("Job Batch", found.name, "status", "Canceled")
    frappe.db.commit()
    submitted_with(once, parameters={"plan": ["dead"]})
    for retry in (lambda: bulk_retry_dead_letter(factory.ALPHA, once), lambda: retry_batch(found.name)):
        assert len(retry()["skipped"]) == 1
        frappe.db.commit()
        assert state(found) == "Canceled"


def failed_but_for_one(step) -> tuple:
    """A batch, its member that has failed, and the last one that has not ended."""
    found = made(step("a", "dead", "ok"), step("b"), callbacks=("on_complete",))
    names = members(found)
    run(names["a"])
    return found, names["a"], names["b"]


def test_a_batch_is_not_closed_while_a_member_is_being_retried(step):
    # Seen failing when `reopen` leaves a running batch alone.
    found, failed, last = failed_but_for_one(step)
    retry_job(failed)
    assert in_parallel([lambda: executor.execute_job(last, 1)]) == [None]
    frappe.db.commit()
    assert (state(found), callbacks(found)) == ("Running", {})


def test_a_batch_is_closed_by_what_is_true_under_its_lock(step, monkeypatch):
    # Seen failing with a snapshot that is older than the lock.
    found, failed, last = failed_but_for_one(step)
    lock = batch_store.lock

    def retried_meanwhile(name: str) -> bool:
        assert in_parallel([lambda: [retry_job(failed), frappe.db.commit()][1]]) == [None]
        return lock(name)

    monkeypatch.setattr(batch_store, "lock", retried_meanwhile)
    run(last)
    assert (state(found), callbacks(found)) == ("Running", {})


def test_a_retry_leaves_out_what_was_submitted_again_meanwhile(step):
    once = factory.job_type("once", "scripted", deduplication_window=1, max_retries=0)
    parts = [job(once, {"plan": ["dead"], "n": n}, key=str(n)) for n in range(3)]
    found = made(*parts, callbacks=())
    names = members(found)
    for name in names.values():
        run(name)
    frappe.db.sql("UPDATE `tabBackground Job` SET dedup_until_epoch = 0 WHERE job_type = %s", (once,))
    frappe.db.commit()
    newer = submitted_with(once, parameters={"plan": ["dead"], "n": 1})
    told = retry_batch(found.name)
    assert told["retried"] == 2
    assert list(told["skipped"]) == [names["1"]]
    assert newer.name in told["skipped"][names["1"]]
    keys = frappe.get_all("Background Job", {"job_type": once}, pluck="active_key")
    assert len(set(keys)) == 4
