"""Places in a window that are reserved until the entries are in RQ: what becomes of them when something goes wrong."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import admission, executor, reservations, submit_job, submit_jobs
from tests.support import database, factory, processes
from tests.support.jobs import entries, next_entry, status, submitted
from tests.support.sessions import in_parallel
from tests.support.settings import settings

WINDOW = 5
QUEUED = "SELECT COUNT(*) FROM `tabBackground Job` WHERE organization LIKE 'Test %%' AND status = 'Queued'"


@pytest.fixture
def job_type(no_sweeps) -> str:
    """Of a queue that nobody waits for."""
    name = factory.job_type("plain")
    frappe.db.commit()
    with settings(queue_window=WINDOW):
        submitted(name, first=True)
        executor.execute_job(next_entry(), 1)
        yield name


def submit_many(job_type: str, number: int, text: str = "") -> None:
    parameters = [{"n": f"{text}{n}"} for n in range(number)]
    submit_jobs({"job_type": job_type, "organization": factory.ALPHA, "parameters": each} for each in parameters)


def fail() -> None:
    raise ValueError("planned")


def test_places_that_redis_forgot_make_no_room_when_they_are_given_back(job_type):
    # Seen failing (10 Queued) with counts below zero.
    with settings(is_paused=1):
        submit_many(job_type, 4 * WINDOW)
        frappe.db.commit()
        reserved = reservations.reserve({"default": [{"job_type": job_type}] * WINDOW})
        processes.queue_client().flushdb()
        reservations.give_back_now(reserved)
    admission.admit("default")
    assert database.value(QUEUED) == WINDOW


def test_jobs_keep_their_places_though_a_callback_of_another_app_fails_after_their_commit(job_type):
    # Seen failing (10 Queued) with places that are given back as if the jobs were not there.
    frappe.db.after_commit.add(fail)
    submit_many(job_type, WINDOW)
    with pytest.raises(ValueError, match="planned"):
        frappe.db.commit()
    frappe.db.rollback()
    submit_many(job_type, WINDOW, "later ")
    frappe.db.commit()
    assert database.value(QUEUED) == WINDOW


def test_a_commit_that_fails_lets_those_go_who_found_its_places_taken(job_type):
    # Seen failing (Pending) without a pass after it: nobody's end would make one.
    others: list = []

    def submit_and_commit():
        job = submit_job(job_type, factory.ALPHA, {"n": "other"})
        frappe.db.commit()
        return job

    def submit_elsewhere_and_fail() -> None:
        others.extend(in_parallel([submit_and_commit]))
        assert status_elsewhere(others[0]) == "Pending"
        fail()

    submit_many(job_type, WINDOW)
    frappe.db.before_commit.add(submit_elsewhere_and_fail)
    with pytest.raises(ValueError, match="planned"):
        frappe.db.commit()
    frappe.db.rollback()
    assert status(others[0]) == "Queued"
    assert len(entries()) == 1, "none of jobs that are not there"


def status_elsewhere(job) -> str:
    """As another session sees it."""
    return database.value("SELECT status FROM `tabBackground Job` WHERE name = %s", job.name)


def test_a_queue_whose_pass_fails_holds_up_no_other(job_type, monkeypatch):
    # Seen failing (`short` alone) with one sum over all.
    with settings(is_paused=1):
        for priority in ("High", "Normal"):
            submit_job(job_type, factory.ALPHA, {"n": priority}, priority=priority)
        frappe.db.commit()
        asked: list[str] = []
        monkeypatch.setattr(admission, "admit", lambda queue, _after_end: asked.append(queue) or fail())
        admission.admit_all()
        assert asked == ["short", "default"]


def test_after_a_pass_that_failed_a_submit_makes_another(job_type, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(admission.Choice, "take", lambda *_arguments: fail())
        with pytest.raises(ValueError, match="planned"):
            admission.admit("default")
    assert status(submitted(job_type, n=1)) == "Queued"


def test_jobs_that_end_while_a_pass_counts_them_make_it_look_again(job_type, monkeypatch):
    # Seen failing (Pending, and nobody whose end would make a pass) without the note that a pass begins with.
    submit_many(job_type, WINDOW)
    frappe.db.commit()

    def take_while_others_end(choice, number: int) -> list:
        patch.undo()
        in_parallel([work_off])
        return choice.take(number)

    with monkeypatch.context() as patch:
        patch.setattr(admission.Choice, "take", take_while_others_end)
        late = submitted(job_type, n="late")
    assert status(late) == "Queued"


def work_off() -> None:
    while name := next_entry():
        executor.execute_job(name, 1)


def test_entries_that_redis_lost_keep_their_places_in_the_window(job_type):
    # Seen failing (9 Queued) when a pass that leaves nobody in line lets who submits look at the list alone.
    submit_many(job_type, WINDOW - 1)
    frappe.db.commit()
    processes.queue_client().flushdb()
    for n in range(WINDOW):
        submitted(job_type, late=n)
    assert database.value(QUEUED) == WINDOW
