"""A waiting job is canceled at once; a running one is asked, and stopped by force when it goes on."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import DuplicateJobError, cancel_job, get_job_status, list_jobs, submit_job
from dartwing_core.jobs.job import runs
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.sweep import rescue
from tests.support import factory
from tests.support.jobs import messages, run, set_columns, submitted, submitted_with
from tests.support.lifecycle import made, running
from tests.support.sessions import committed

pytestmark = pytest.mark.usefixtures("no_sweeps")


@pytest.mark.parametrize("status", ["Pending", "Queued", "Failed", "Timed Out"])
def test_a_waiting_job_is_canceled_at_once_and_remembers_why(status, alice):
    job_type = made("nothing", deduplication_window=300)
    frappe.set_user(alice)
    job = committed(submit_job, job_type, factory.ALPHA)
    frappe.db.set_value("Background Job", job.name, "status", status)
    assert cancel_job(job.name, reason="not needed").status == "Canceled"
    frappe.db.commit()
    frappe.set_user("Administrator")
    stored = frappe.get_doc("Background Job", job.name)
    assert (stored.canceled_by, stored.next_retry_at) == (alice, None)
    assert submit_job(job_type, factory.ALPHA).name != job.name, "its key is free"
    assert messages(job)[-1] == "Job canceled: not needed"


def test_a_cancel_frees_the_key_within_its_own_transaction_too(alice):
    # Seen failing (DuplicateJobError) without the statuses in `dedup.holders`.
    frappe.set_user(alice)
    job_type = made("nothing", deduplication_window=300)
    job = submitted(job_type)
    cancel_job(job.name)
    again = committed(submit_job, job_type, factory.ALPHA, {})
    assert [get_job_status(name)["status"] for name in (job.name, again.name)] == ["Canceled", "Queued"]
    cancel_job(again.name)
    frappe.db.rollback()
    with pytest.raises(DuplicateJobError):
        submit_job(job_type, factory.ALPHA, {})


def test_a_cancel_that_is_rolled_back_is_none():
    job = submitted("echo_job")
    cancel_job(job.name)
    frappe.db.rollback()
    assert run(job)["status"] == "Completed"
    other = running(made("nothing"))
    cancel_job(other.name)
    frappe.db.rollback()
    frappe.db.commit()
    assert runs.cancel_request(f"{other.name}-1") is None


def test_a_job_that_will_not_stop_is_stopped_by_force_after_the_grace_period():
    job = running(made("nothing"))
    committed(cancel_job, job.name, reason="stuck")
    assert rescue.sweep().stopped == 0
    frappe.db.set_value("Background Job Run", f"{job.name}-1", "cancel_requested_epoch", clock.now_epoch() - 60)
    frappe.db.commit()
    assert rescue.sweep().stopped == 1
    assert get_job_status(job.name)["status"] == "Canceled"
    assert messages(job)[-1] == "Job stopped by force after it was canceled: stuck"


def test_an_attempt_that_goes_on_long_after_its_limit_is_stopped_and_timed_out(monkeypatch):
    # Its handler has swallowed RQ's exception, and its entry has a longer limit: RQ would let it go on.
    job = running(made("nothing", default_timeout=30))
    stopped: list[str] = []
    monkeypatch.setattr(rescue.redis_queue, "stop", stopped.append)
    alive = {"background_job": job.name, "attempt": 1, "lease_expires_epoch": clock.now_epoch() + 20}
    runs.write(f"{job.name}-1", alive)
    set_columns(job, rq_job_id="an entry", started_epoch=clock.now_epoch() - 85)
    assert rescue.sweep().stopped == 0
    set_columns(job, started_epoch=clock.now_epoch() - 95)
    assert rescue.sweep().stopped == 1
    assert (stopped, get_job_status(job.name)["status"]) == (["an entry"], "Timed Out")


def test_a_job_that_ends_without_an_attempt_says_when():
    # Seen failing: completed_at was empty, so the newest ends came last in a list by completed_at.
    job_type = made("nothing")
    earlier = submitted(job_type)
    run(earlier)
    parent = submitted(job_type, n=1)
    child = submitted_with(job_type, parameters={"n": 2}, depends_on=parent.name, on_parent_failure="cancel")
    assert get_job_status(parent.name)["completed_at"] is None
    answer = committed(cancel_job, parent.name)
    assert answer.completed_at == answer.canceled_at is not None
    for job in (parent, child):
        assert get_job_status(job.name)["completed_at"], job.name
    listed = list_jobs(factory.ALPHA, order_by="completed_at desc")["jobs"]
    assert [job["job_id"] for job in listed] == [child.name, parent.name, earlier.name]
