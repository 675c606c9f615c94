"""Functions that apps name for events of jobs and batches: when they are called, as whom, and what they can't break."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import frappe
import pytest

from dartwing_core.jobs import BatchEvent, JobEvent, cancel_job, retry_job, submit_batch, submit_job
from dartwing_core.jobs.attempt import callbacks
from dartwing_core.jobs.db import named_locks
from dartwing_core.jobs.notify import app_events
from dartwing_core.jobs.recovery import sweeper
from tests.support import database, factory
from tests.support.jobs import run, status, submitted, submitted_by
from tests.support.races import claimed
from tests.support.sessions import as_user

HEARD: list[Any] = []
"""Events in their order, each with the user as whom the function ran."""
NAMES = ("submitted", "started", "completed", "failed", "retried", "dead_letter", "canceled")


def hear(event: JobEvent | BatchEvent) -> None:
    HEARD.append((event.event, frappe.session.user, event))


def fail(event: JobEvent) -> None:
    frappe.db.sql("UPDATE tabUser SET bio = 'left behind' WHERE name = %s", (event.owner_user,))
    raise ValueError("no good")


def submit_another(event: JobEvent) -> None:
    if event.job_type != "test_follower":
        submit_job("test_follower", event.organization, {"of": event.job_id})


def look_at_lock(event: JobEvent) -> None:
    content = frappe.db.get_value("Background Job", {"dedup_hash": ["is", "set"]}, "dedup_hash")
    HEARD.append(database.value("SELECT IS_FREE_LOCK(%s)", named_locks.lock_name(content)))


def path_of(function) -> str:
    return f"{__name__}.{function.__name__}"


@pytest.fixture
def hooks(monkeypatch) -> Iterator[dict[str, Any]]:
    """The events of jobs and of batches that an app declares, as Frappe collects them from all apps."""
    HEARD.clear()
    declared: dict[str, Any] = {"background_job_events": {}, "job_batch_events": {}}
    original, apps = frappe.get_hooks, frappe.get_installed_apps

    def with_ours(hook=None, *arguments, **named):
        return declared[hook] if hook in declared else original(hook, *arguments, **named)

    monkeypatch.setattr(frappe, "get_hooks", with_ours)
    monkeypatch.setattr(frappe, "get_installed_apps", lambda *some, **named: [*apps(*some, **named), "tests"])
    yield declared
    HEARD.clear()


@pytest.fixture
def heard(hooks) -> list[Any]:
    """All events of all types."""
    hooks["background_job_events"]["*"] = {name: [path_of(hear)] for name in NAMES}
    return HEARD


def names(heard) -> list[str]:
    return [name for name, _user, _event in heard]


def test_each_event_of_a_job_is_told_once_in_order_and_as_its_owner(alice, heard):
    job = submitted_by(alice, factory.job_type("note", "add_note"), title="test note")
    assert names(heard) == ["submitted"]
    run(job)
    assert names(heard) == ["submitted", "started", "completed"]
    assert {user for _name, user, _event in heard} == {alice}
    expected = ("completed", job.name, "test_note", factory.ALPHA, alice, "Running", "Completed")
    event = heard[-1][2]
    ids = (event.event, event.job_id, event.job_type, event.organization, event.owner_user)
    assert (*ids, event.from_status, event.to_status) == expected
    assert frappe.session.user == "Administrator"


def test_failures_retries_and_dead_letters_are_told(alice, heard):
    kind = factory.job_type("note", "add_note", max_retries=1)
    job = submitted_by(alice, kind, title="test note", then="fail")
    run(job)
    frappe.db.sql("UPDATE `tabBackground Job` SET due_epoch = 0 WHERE name = %s", (job.name,))
    frappe.db.commit()
    sweeper.sweep_background_jobs()
    run(job, 2)
    as_user(alice, retry_job, job.name)
    frappe.db.commit()
    assert names(heard)[1:] == ["started", "failed", "retried", "started", "dead_letter", "retried"]


def test_a_cancel_is_told_by_whoever_it_is(alice, heard):
    waiting, running = (submitted_by(alice, factory.job_type("plain"), n=n) for n in range(2))
    claimed(running)
    cancel_job(waiting.name)
    frappe.db.commit()
    assert heard[-1][:2] == ("canceled", alice)
    assert names(heard).count("canceled") == 1, "the running one has only been asked to stop"


def test_only_the_functions_of_the_type_are_called(hooks):
    hooks["background_job_events"]["test_other"] = {"submitted": [path_of(hear)]}
    submitted(factory.job_type("plain"))
    assert HEARD == []
    submitted(factory.job_type("other"))
    assert names(HEARD) == ["submitted"]


def test_nothing_is_told_of_what_is_rolled_back_or_undone_by_a_savepoint(heard):
    kind = factory.job_type("plain")
    frappe.db.commit()
    submit_job(kind, factory.ALPHA, {"n": 1})
    frappe.db.rollback()
    frappe.db.savepoint("test_events")
    submit_job(kind, factory.ALPHA, {"n": 2})
    frappe.db.rollback(save_point="test_events")
    frappe.db.commit()
    assert heard == []
    job = submitted(kind, n=3)
    frappe.db.savepoint("test_events")
    cancel_job(job.name)
    frappe.db.rollback(save_point="test_events")
    frappe.db.commit()
    assert names(heard) == ["submitted"]


def test_a_function_that_fails_leaves_nothing_and_stops_nobody(alice, hooks):
    hooks["background_job_events"]["*"] = {"completed": [path_of(fail), path_of(hear)]}
    frappe.db.delete("Error Log")
    job = submitted_by(alice, factory.job_type("note", "add_note"), title="test note")
    run(job)
    assert names(HEARD) == ["completed"]
    assert status(job) == "Completed"
    assert frappe.db.get_value("User", alice, "bio") != "left behind"
    assert frappe.db.exists("Error Log", {"method": ["like", f"%{path_of(fail)}%"]})


def test_an_event_may_submit_jobs(alice, hooks):
    factory.job_type("follower")
    hooks["background_job_events"]["*"] = {"completed": [path_of(submit_another)]}
    job = submitted_by(alice, factory.job_type("plain"))
    run(job)
    found = frappe.get_all("Background Job", {"job_type": "test_follower"}, ["owner_user", "status"])
    assert [(row.owner_user, row.status) for row in found] == [(alice, "Queued")]


def test_no_lock_is_held_while_a_function_runs(hooks):
    hooks["background_job_events"]["*"] = {"canceled": [path_of(look_at_lock)]}
    waiting = submitted(factory.job_type("plain"))
    kind = factory.job_type("other", deduplication_window=300)
    frappe.db.commit()
    cancel_job(waiting.name)
    submit_job(kind, factory.ALPHA)
    frappe.db.commit()
    assert HEARD == [1]


def test_a_function_runs_behind_the_callbacks_of_others(alice, hooks):
    # Broken by calling functions at their place among the callbacks: others wait for slow ones, and may hold locks.
    hooks["job_batch_events"]["completed"] = [path_of(hear)]
    app_events.note_batch_end("B", factory.ALPHA, alice, "Completed")
    frappe.db.after_commit.add(lambda: HEARD.append(("of another app",)))
    frappe.db.commit()
    assert [heard[0] for heard in HEARD] == ["of another app", "completed"]


def test_no_job_is_claimed_before_a_function_that_may_take_long(alice, heard):
    job = submitted_by(alice, factory.job_type("plain"))
    frappe.db.commit()
    assert callbacks.are_quick()
    cancel_job(job.name)
    assert not callbacks.are_quick()
    frappe.db.commit()


def test_the_end_of_a_batch_is_told(alice, hooks):
    hooks["job_batch_events"] |= {name: [path_of(hear)] for name in ("completed", "failed", "canceled")}
    kind = factory.job_type("note", "add_note")
    for then in (None, "fail_for_good"):
        frappe.set_user(alice)
        part = {"job_type": kind, "parameters": {"title": f"test {then}"} | ({"then": then} if then else {})}
        batch = submit_batch(factory.ALPHA, [part])
        frappe.db.commit()
        frappe.set_user("Administrator")
        for name in frappe.get_all("Background Job", {"parent_batch": batch.name}, pluck="name"):
            run(frappe._dict(name=name))
    assert [(name, user) for name, user, _event in HEARD] == [("completed", alice), ("failed", alice)]
    assert HEARD[-1][2].batch_id == batch.name
