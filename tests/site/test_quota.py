"""How much may be submitted: jobs waiting in an organization, jobs of a type by a user in a time."""

from __future__ import annotations

import contextlib

import frappe
import pytest
from frappe.realtime import get_user_room

from dartwing_core.jobs import (
    InvalidJobError,
    QueueFullError,
    RateLimitError,
    cancel_job,
    reschedule_job,
    submit_job,
    submit_jobs,
)
from dartwing_core.jobs.line import claim
from dartwing_core.jobs.submit import submission
from dartwing_core.jobs.sweep import sweeper
from tests.support import attempts, database, factory
from tests.support.jobs import run, status, submit_many, submitted, submitted_with
from tests.support.rest import count
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def _no_limits(no_sweeps):
    """None is left behind."""
    frappe.cache.delete_keys("dartwing_core:limit:")


def cap(number: int, policy: str) -> None:
    frappe.db.set_value("Organization", factory.ALPHA, {"max_waiting": number, "on_queue_full": policy})
    frappe.db.commit()


# Jobs that wait


def test_a_full_organization_takes_no_more_jobs(job_type):
    cap(3, "Reject")
    jobs = [submitted(job_type, n=n) for n in range(2)]
    with pytest.raises(QueueFullError, match="Queue full: at most 3 jobs") as caught:
        submit_jobs({"job_type": job_type, "organization": factory.ALPHA, "parameters": {"more": n}} for n in range(2))
    assert caught.value.retry_after > 0
    frappe.db.rollback()
    assert count() == 2
    assert submit_job(job_type, factory.BETA), "others are not concerned"
    frappe.db.rollback()
    submitted(job_type, n=3)
    run(jobs[0])
    assert submitted(job_type, n=4), "there is room again"


def test_jobs_for_later_retries_and_children_take_no_place(job_type):
    # Seen failing: with a job due tomorrow, today's was refused.
    retried = submitted(factory.job_type("fails", "raises", retry_delays="3600"), what="connection")
    assert run(retried)["status"] == "Failed"
    cap(1, "Reject")
    submitted_with(job_type, parameters={"n": 1}, available_at=3600)
    first = submitted(job_type, n=2)
    child = submitted_with(job_type, parameters={"n": 3}, depends_on=first.name)
    later = submitted_with(job_type, parameters={"n": 4}, available_at=3600)
    assert [status(job) for job in (first, child, later)] == ["Queued", "Pending", "Pending"]
    reschedule_job(later.name, 0)
    frappe.db.commit()
    assert status(later) == "Queued", "a job that has become due gets in line beyond the cap"
    with pytest.raises(QueueFullError):
        submit_job(job_type, factory.ALPHA, {"n": 5})


def test_a_new_job_is_held_behind_those_that_are_held(job_type):
    cap(1, "Hold")
    jobs = [submitted(job_type, n=n) for n in range(2)]
    claim.Claimer().claim_next()
    jobs.append(submitted(job_type, n=3))
    assert [status(job) for job in jobs] == ["Running", "Pending", "Pending"]


def in_line() -> int:
    return database.value("SELECT COUNT(*) FROM `tabBackground Job` WHERE in_line = 1 AND organization = 'Test Alpha'")


def test_what_is_beyond_the_cap_is_held_until_there_is_room(job_type):
    cap(3, "Hold")
    jobs = [submitted(job_type, n=n) for n in range(7)]
    assert [status(job) for job in jobs] == ["Queued"] * 3 + ["Pending"] * 4
    names = []
    while name := attempts.run_next():
        names.append(name)
        assert in_line() <= 3
    assert names == [job.name for job in jobs]
    assert {status(job) for job in jobs} == {"Completed"}


def test_held_jobs_keep_no_idle_worker_waiting(job_type):
    # Those who were taken are not in line any more, long before they end.
    cap(3, "Hold")
    submit_many(job_type, 12)
    assert in_line() == 3
    assert all(claim.Claimer().claim_next() for _worker in range(8))
    assert in_line() <= 3


def test_held_jobs_are_canceled_and_get_in_line_when_others_are_or_the_cap_is_taken_away(job_type):
    cap(2, "Hold")
    jobs = [submitted(job_type, n=n) for n in range(6)]
    for job in (jobs[0], jobs[-1]):
        cancel_job(job.name)
        frappe.db.commit()
    assert [status(job) for job in jobs] == ["Canceled", "Queued", "Queued", "Pending", "Pending", "Canceled"]
    cap(0, "Reject")
    sweeper.sweep()
    assert [status(job) for job in jobs[1:]] == ["Queued"] * 4 + ["Canceled"]


def test_a_warning_goes_to_the_admins_once_a_minute(job_type, alice, monkeypatch):
    admin = factory.user("ada", factory.ALPHA, org_role="Admin")
    sent = []
    monkeypatch.setattr(frappe, "publish_realtime", lambda event, message, room: sent.append((event, message, room)))
    cap(1, "Warn")
    jobs = [submitted(job_type, n=n) for n in range(4)]
    assert {status(job) for job in jobs} == {"Queued"}, "all are accepted"
    assert {event for event, _message, _room in sent} == {submission.WARNING}
    rooms = [room for _event, _message, room in sent]
    assert get_user_room(admin) in rooms
    assert get_user_room(alice) not in rooms, "to admins only"
    assert len(rooms) == len(set(rooms)), "once"
    assert sent[0][1]["max_waiting"] == 1


# Jobs of a type by a user


def limited(limit: int = 3, window: int = 60, **values) -> str:
    return factory.job_type("limited", rate_limit=limit, rate_limit_window=window, **values)


def test_a_user_may_submit_so_many_of_a_type_in_a_window(alice):
    job_type = limited()
    frappe.set_user(alice)
    for number in range(3):
        submit_job(job_type, factory.ALPHA, {"n": number})
    with pytest.raises(RateLimitError, match="at most 3 in 60 seconds") as caught:
        submit_job(job_type, factory.ALPHA, {"n": 3})
    assert 1 <= caught.value.retry_after <= 60
    frappe.set_user("Administrator")
    assert submit_job(job_type, factory.ALPHA, {"n": 4}), "each user has their own"


def test_more_at_once_than_the_limit_is_refused_as_such_and_the_window_ends():
    job_type = limited(1, 1)
    with pytest.raises(InvalidJobError, match="At most 1 jobs"):
        submit_jobs({"job_type": job_type, "organization": factory.ALPHA, "parameters": {"n": n}} for n in range(2))
    submit_job(job_type, factory.ALPHA, {"n": 1})
    with pytest.raises(RateLimitError):
        submit_job(job_type, factory.ALPHA, {"n": 2})

    def is_taken() -> bool:
        with contextlib.suppress(RateLimitError):
            return bool(submit_job(job_type, factory.ALPHA, {"n": 2}))
        return False

    until(is_taken, 10, "the end of the window")


def test_a_duplicate_that_makes_no_job_counts_nothing():
    job_type = limited(2, deduplication_window=300)
    for _number in range(5):
        submit_job(job_type, factory.ALPHA, {"n": 1}, on_duplicate="return")
    assert submit_job(job_type, factory.ALPHA, {"n": 2})
