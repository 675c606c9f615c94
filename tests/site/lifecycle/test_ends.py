"""Each job that ends for good says when, however it ends."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import cancel_job, executor, get_job_status, list_jobs, retry_job
from tests.support import factory
from tests.support.jobs import run, submitted, submitted_with
from tests.support.lifecycle import made

pytestmark = pytest.mark.usefixtures("no_sweep_in_between")


@pytest.mark.parametrize("policy", ["dead_letter", "cancel"])
def test_a_job_that_ends_without_an_attempt_says_when(policy):
    # Seen failing: completed_at was empty, so the newest ends came last in a list by completed_at.
    job_type = made("nothing")
    earlier = submitted(job_type)
    run(earlier)
    parent = submitted(job_type, n=1)
    child = submitted_with(job_type, parameters={"n": 2}, depends_on=parent.name, on_parent_failure=policy)
    assert get_job_status(parent.name)["completed_at"] is None
    answer = cancel_job(parent.name)
    frappe.db.commit()
    assert answer.completed_at == answer.canceled_at is not None
    for job in (parent, child):
        assert get_job_status(job.name)["completed_at"], job.name
    listed = list_jobs(factory.ALPHA, order_by="completed_at desc")["jobs"]
    assert [job["job_id"] for job in listed] == [child.name, parent.name, earlier.name]


def test_a_running_job_that_is_canceled_says_when():
    # Seen failing: only its canceled_at was set.
    job = submitted(made("raises"), what="canceled")
    assert run(job)["status"] == "Canceled"
    assert get_job_status(job.name)["completed_at"]


def test_a_job_that_is_retried_has_not_ended():
    dead = submitted(made("raises"), what="key")
    executor.execute_job(dead.name, 1)
    assert get_job_status(dead.name)["completed_at"]
    retry_job(dead.name)
    frappe.db.commit()
    assert get_job_status(dead.name)["completed_at"] is None
