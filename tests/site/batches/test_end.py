"""A batch ends with its last job, and makes each of its callbacks once."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import cancel_batch, cancel_job, chain, executor, get_batch_status, get_job_status, group
from dartwing_core.jobs.after import batch_cancel, batch_end
from dartwing_core.jobs.job import batch_store
from dartwing_core.jobs.run import outcome
from dartwing_core.jobs.sweep import rescue, sweeper
from tests.support import factory
from tests.support.batches import callbacks, made, members, run, state, status_of, work
from tests.support.database import statements
from tests.support.jobs import lose, submitted_with
from tests.support.sessions import in_parallel

pytestmark = pytest.mark.usefixtures("no_sweeps")


def test_all_completed_makes_the_callbacks_of_success(step):
    found = made(step("a"), step("b"))
    run(members(found)["a"])
    assert (state(found), callbacks(found)) == ("Running", {})
    run(members(found)["b"])
    assert state(found) == "Completed"
    assert callbacks(found).keys() == {"on_complete", "on_success"}
    assert sorted(work()[-2:]) == ["on_complete", "on_success"]


def test_a_failure_makes_its_callback_at_once_and_once(step):
    found = made(step("a", "dead"), step("b", "dead"), step("c"))
    names = members(found)
    run(names["a"])
    assert (state(found), callbacks(found).keys()) == ("Running", {"on_failure"})
    run(names["b"])
    assert callbacks(found).keys() == {"on_failure"}
    run(names["c"])
    assert (state(found), callbacks(found).keys()) == ("Failed", {"on_failure", "on_complete"})


def test_a_canceled_last_job_ends_the_batch(step):
    found = made(step("a"), step("b"))
    names = members(found)
    run(names["a"])
    cancel_job(names["b"])
    frappe.db.commit()
    assert (state(found), callbacks(found).keys()) == ("Failed", {"on_failure", "on_complete"})


def test_a_job_that_ends_with_its_parent_ends_the_batch(step):
    found = made(chain(step("a", "dead"), step("b")))
    run(members(found)["a"])
    assert (state(found), callbacks(found).keys()) == ("Failed", {"on_failure", "on_complete"})


def test_the_callback_gets_the_batch_and_runs_as_its_owner(step, alice):
    frappe.set_user(alice)
    found = made(step("a"), callbacks=("on_success",))
    frappe.set_user("Administrator")
    run(members(found)["a"])
    (name,) = callbacks(found).values()
    run(name)
    told = get_job_status(name)
    assert told["result"] == {"batch_id": found.name, "parameters": {"kind": "on_success", "batch_id": found.name}}
    assert (told["owner_user"], told["organization"]) == (alice, factory.ALPHA)


def test_a_batch_without_new_jobs_succeeds_at_once(step):
    found = made(group())
    assert (state(found), callbacks(found).keys()) == ("Completed", {"on_complete", "on_success"})
    assert get_batch_status(found.name)["progress"] == 100


def test_a_callback_is_made_as_it_was_submitted_even_if_its_type_is_gone(step):
    found = made(step("a"), callbacks=("on_success",))
    frappe.delete_doc("Job Type", "test_told", force=True)
    frappe.db.commit()
    run(members(found)["a"])
    (name,) = callbacks(found).values()
    run(name)
    assert "does not exist any more" in get_job_status(name)["error_message"]


def test_an_end_that_was_missed_is_found_by_a_sweep(step, monkeypatch):
    found = made(step("a", "dead"), step("b"))
    monkeypatch.setattr(batch_end, "close_ended", lambda _names: 0)
    run(members(found)["a"])
    assert callbacks(found) == {}
    assert sweeper.sweep().batches == 1
    assert callbacks(found).keys() == {"on_failure"}
    run(members(found)["b"])
    assert sweeper.sweep().batches == 1
    assert (state(found), sweeper.sweep().batches) == ("Failed", 0)
    assert callbacks(found).keys() == {"on_failure", "on_complete"}


def test_the_last_job_may_end_while_the_failure_of_another_is_being_told(step, monkeypatch):
    # Seen failing without a second look: who ends the last one finds the batch locked, and leaves it to a sweep.
    found = made(step("a", "dead"), step("b"))
    names = members(found)
    load, others = batch_store.load, [lambda: executor.execute_job(names["b"], 1)]

    def meanwhile(*arguments):
        while others:
            assert in_parallel([others.pop()]) == [None]
        return load(*arguments)

    monkeypatch.setattr(batch_store, "load", meanwhile)
    run(names["a"])
    assert (state(found), callbacks(found).keys()) == ("Failed", {"on_failure", "on_complete"})


def test_a_job_that_is_rescued_in_vain_ends_its_batch(step):
    # Seen failing when `rescue` tells nobody: with many batches, many sweeps pass before this one is looked at.
    found = made(chain(step("a"), step("b")))
    names = members(found)
    values = {"status": "Running", "attempt": 1, "crash_count": outcome.MAX_CRASHES - 1}
    frappe.db.set_value("Background Job", names["a"], values)
    lose(frappe._dict(name=names["a"]))
    assert rescue.sweep().rescued == 1
    assert (state(found), status_of(names["b"])) == ("Failed", "Dead Letter")


def test_a_batch_ends_with_the_jobs_of_another_one(step):
    # Seen failing when the cancel looks after its own batch alone.
    first = made(step("a"), callbacks=())
    second = made(step("b", depends_on=members(first)["a"]), callbacks=())
    cancel_batch(first.name)
    frappe.db.commit()
    assert (state(first), state(second)) == ("Canceled", "Failed")


def test_running_batches_hide_no_other_from_the_sweep(step, monkeypatch):
    monkeypatch.setattr(batch_cancel, "BATCHES", 2)
    found = [made(step(f"a{n}"), callbacks=()) for n in range(5)]
    monkeypatch.setattr(batch_end, "close_ended", lambda _names: 0)
    for last in (found[4], found[0]):
        (name,) = members(last).values()
        run(name)
        assert sum(sweeper.sweep().batches for _ in range(4)) == 1
        assert state(last) == "Completed"


def test_a_settle_without_a_batch_asks_nothing_about_batches(step):
    plain = submitted_with("test_step", parameters={"plan": ["ok"], "key": "x"})
    found = made(*(step(str(n)) for n in range(3)), callbacks=())
    with statements() as alone:
        executor.execute_job(plain.name, 1)
    assert not [text for text in alone if "Job Batch" in text]
    with statements() as member:
        executor.execute_job(members(found)["0"], 1)
    assert len([text for text in member if "Job Batch" in text]) == 1
