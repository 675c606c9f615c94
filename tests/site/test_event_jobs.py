"""Functions that apps name for events of jobs and batches: each call is a job, made with the change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import frappe
import pytest

from dartwing_core.jobs import (
    JobNotFoundError,
    UnknownHandlerError,
    bulk_retry_dead_letter,
    cancel_job,
    cancel_jobs,
    get_job_details,
    get_job_history,
    get_job_status,
    list_jobs,
    retry_job,
    run_now,
    submit_batch,
    submit_job,
)
from dartwing_core.jobs.lib import config, sql
from dartwing_core.jobs.testing import run_jobs, time_passed
from dartwing_core.jobs.types import functions
from tests.support import contents, database, factory, processes
from tests.support.jobs import run, set_columns, status, submitted, submitted_by, submitted_with
from tests.support.queues import listed
from tests.support.sessions import as_user, committed

HEARD: list[tuple[str, str, dict[str, str]]] = []
"""Events in their order, each with the user as whom the function ran, and what it got."""
NAMES = ("submitted", "started", "completed", "failed", "retried", "dead_letter", "canceled")
TOLD = "SELECT COUNT(*) FROM `tabBackground Job` WHERE job_type = 'enqueued_function'"


def hear(event: str, **details: str) -> None:
    HEARD.append((event, frappe.session.user, details))


def fail_once(event: str, **details: str) -> None:
    hear(event, **details)
    if len(HEARD) == 1:
        frappe.db.sql("UPDATE tabUser SET bio = 'left behind' WHERE name = %s", (frappe.session.user,))
        raise ConnectionError("not there yet")


def path_of(function) -> str:
    return f"{__name__}.{function.__name__}"


@pytest.fixture
def hooks(monkeypatch) -> Iterator[dict[str, Any]]:
    """What an app declares in the two hooks, as Frappe collects it from all apps."""
    declared: dict[str, Any] = {"background_job_events": {}, "job_batch_events": {}}
    original = frappe.get_hooks

    def with_ours(hook=None, *arguments, **named):
        return declared[hook] if hook in declared else original(hook, *arguments, **named)

    monkeypatch.setattr(frappe, "get_hooks", with_ours)
    monkeypatch.setattr(config, "FACT_SECONDS", -1.0)
    config._facts.clear()
    HEARD.clear()
    yield declared
    HEARD.clear()


@pytest.fixture
def heard(hooks) -> list[Any]:
    """All events of all types."""
    hooks["background_job_events"]["*"] = {name: [path_of(hear)] for name in NAMES}
    return HEARD


def names() -> list[str]:
    """The events that functions have heard by now, sorted: their jobs run in no promised order."""
    run_jobs()
    return sorted(name for name, _user, _details in HEARD)


def test_each_event_of_a_job_is_told_once(alice, heard):
    job = submitted_by(alice, factory.job_type("note", "add_note"), title="test note")
    assert names() == ["completed", "started", "submitted"]
    assert {user for _name, user, _details in heard} == {"Administrator"}
    details = {"job_id": job.name, "job_type": "test_note", "organization": factory.ALPHA, "owner_user": alice}
    assert [told for _name, _user, told in heard] == [details] * 3


def test_failures_retries_and_dead_letters_are_told(alice, heard):
    kind = factory.job_type("note", "add_note", max_retries=1)
    job = submitted_by(alice, kind, title="test note", then="fail")
    assert names() == ["failed", "started", "submitted"]
    with time_passed(7200):
        assert names() == sorted(["submitted", "started", "failed", "retried", "started", "dead_letter"])
    committed(retry_job, job.name)
    assert names().count("retried") == 2


def test_what_becomes_of_a_job_is_told_though_its_owner_is_gone(heard):
    # Seen failing as jobs of the owner: each ended as a dead letter itself, and nobody heard of the lost one.
    user = factory.user("leaves_jobs", factory.ALPHA)
    submitted_by(user, factory.job_type("plain"))
    committed(frappe.db.set_value, "User", user, "enabled", 0)
    assert names().count("dead_letter") == 1


def test_only_system_managers_see_and_change_such_jobs(alice, admin, heard):
    # Seen failing: an admin of the organization canceled and retimed them, so that an app never heard of an event, and
    # read the errors of functions that run as Administrator.
    submitted_by(alice, factory.job_type("plain"))
    told = frappe.get_all("Background Job", {"job_type": "enqueued_function"}, pluck="name")[0]
    set_columns(frappe._dict(name=told), error_message="of another organization", status="Dead Letter", in_line=0)
    for user in (alice, admin):
        for operation in (cancel_job, retry_job, run_now, get_job_status, get_job_details, get_job_history):
            with pytest.raises(JobNotFoundError):
                as_user(user, operation, told)
        assert as_user(user, lambda: frappe.get_list("Background Job", {"name": told})) == []
        assert not as_user(user, frappe.has_permission, "Background Job", "read", told)
        assert as_user(user, lambda: bulk_retry_dead_letter("enqueued_function"))["retried"] == []
        assert told not in as_user(user, lambda: str(cancel_jobs([told])["done"]))
        listed = {row["job_id"]: row for row in as_user(user, list_jobs)["jobs"]}
        assert listed.get(told, {}).get("error_message") is None
    assert get_job_status(told)["error_message"] == "of another organization"


def test_jobs_that_end_with_a_parent_are_told_each(alice, heard):
    kind = factory.job_type("plain")
    parent = submitted_by(alice, kind, n=0)
    frappe.set_user(alice)
    for number in range(3):
        submit_job(kind, factory.ALPHA, {"n": number + 1}, depends_on=parent.name)
    frappe.db.commit()
    committed(cancel_job, parent.name)
    frappe.set_user("Administrator")
    assert (names().count("canceled"), names().count("dead_letter")) == (1, 3)


def test_only_the_functions_of_the_type_are_called(hooks):
    hooks["background_job_events"]["test_other"] = {"submitted": [path_of(hear)]}
    submitted(factory.job_type("plain"))
    assert names() == []
    submitted(factory.job_type("other"))
    assert names() == ["submitted"]


def test_what_is_undone_is_not_told(heard):
    kind = factory.job_type("plain")
    submit_job(kind, factory.ALPHA, {"n": 1})
    frappe.db.rollback()
    frappe.db.savepoint("test_events")
    submit_job(kind, factory.ALPHA, {"n": 2})
    frappe.db.rollback(save_point="test_events")
    frappe.db.commit()
    assert database.value(TOLD) == 0
    job = submitted(kind, n=3)
    frappe.db.savepoint("test_events")
    cancel_job(job.name)
    frappe.db.rollback(save_point="test_events")
    committed(cancel_job, job.name)
    assert names() == ["canceled", "submitted"]


@pytest.mark.parametrize("commit", [lambda: frappe.db.commit(), sql.commit], ids=["by Frappe", "by the engine"])
@pytest.mark.parametrize("event", ["submitted", "canceled"])
def test_workers_are_woken_for_a_function_once_its_event_is_committed(heard, no_sweeps, event, commit):
    # Seen failing with rings at once, in `record.insert` and in `record.insert_untold`: a worker found no job to run.
    kind = factory.job_type("plain")
    job = submitted_with(kind, available_at=3_600)
    processes.queue_client().flushdb()

    def change() -> list[str]:
        if event == "canceled":
            cancel_job(job.name)
        else:
            submit_job(kind, factory.ALPHA, {"n": 2}, available_at=3_600)
        return frappe.get_all("Background Job", {"job_type": "enqueued_function"}, pluck="name", order_by="name desc")

    change()
    assert listed("default") == []
    frappe.db.rollback()
    frappe.db.commit()
    assert listed("default") == []
    made = change()
    commit()
    assert listed("default") == made[:1]
    frappe.db.rollback()


def test_a_function_that_fails_is_tried_again_and_changes_nothing_else(alice, hooks):
    hooks["background_job_events"]["*"] = {"completed": [path_of(fail_once)]}
    job = submitted_by(alice, factory.job_type("plain"))
    assert names() == ["completed"]
    assert status(job) == "Completed"
    assert frappe.db.get_value("User", alice, "bio") != "left behind"
    with time_passed(7200):
        assert names() == ["completed", "completed"]
    assert {*frappe.get_all("Background Job", pluck="status")} == {"Completed"}


def test_the_end_of_a_batch_is_told(alice, hooks):
    hooks["job_batch_events"] |= {name: [path_of(hear)] for name in ("completed", "failed", "canceled")}
    kind = factory.job_type("note", "add_note")
    ended = []
    for then in ("", "fail_for_good"):
        frappe.set_user(alice)
        part = {"job_type": kind, "parameters": {"title": f"test {then}"} | ({"then": then} if then else {})}
        ended.append(submit_batch(factory.ALPHA, [part]).name)
        frappe.db.commit()
        frappe.set_user("Administrator")
        run_jobs()
    told = [(name, details["owner_user"], details["batch_id"]) for name, _user, details in HEARD]
    assert told == [("completed", alice, ended[0]), ("failed", alice, ended[1])]


WRONG = [["a.b"], {"*": ["a.b"]}, {"*": {"done": ["a.b"]}}, "a.b"]
WRONG += [{"*": dict.fromkeys(NAMES, found)} for found in (None, {"a.b": 1}, ["no path"], "a.*")]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_hook_of_another_form_tells_nobody(hooks, wrong):
    # Seen failing: a list in place of the mapping failed every submit of the site, and an object in place of a path the
    # settle of every job.
    hooks["background_job_events"] = wrong
    hooks["job_batch_events"] = wrong
    job = submitted(factory.job_type("plain"))
    assert run(job)["status"] == "Completed"
    assert database.value(TOLD) == 0
    with pytest.raises(UnknownHandlerError):
        functions.resolve(path_of(hear))


def test_only_the_named_function_is_registered(hooks):
    # Seen failing: a path with a star registered all functions of a module.
    hooks["background_job_events"]["*"] = {"completed": [path_of(hear)]}
    assert functions.resolve(path_of(hear)) is hear
    for path in (path_of(fail_once), f"{__name__}.*", f"{__name__}.hea?"):
        with pytest.raises(UnknownHandlerError):
            functions.resolve(path)


def test_a_function_that_is_gone_holds_up_its_own_job_alone(hooks):
    hooks["background_job_events"]["*"] = {"completed": [f"{__name__}.gone"]}
    job = submitted(factory.job_type("plain"))
    run_jobs()
    assert status(job) == "Completed"
    told = frappe.get_all("Background Job", {"job_type": "enqueued_function"}, ["name", "status"])[0]
    assert told.status == "Failed", "it waits for the deploy that brings its function"
    assert "has no attribute 'gone'" in contents.stored(told.name, "error_message")
