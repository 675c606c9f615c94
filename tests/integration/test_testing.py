"""`dartwing_core.jobs.testing`: what tests of other apps run their jobs with."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import batch, chain, job, submit_job
from dartwing_core.jobs.line import claim
from dartwing_core.jobs.testing import run_jobs
from tests.support import factory, processes
from tests.support.jobs import status, submitted
from tests.support.sessions import as_user


@pytest.fixture
def step(no_sweeps):
    """`step(*plan)`: a job that ends as planned."""
    job_type = factory.job_type("step", "scripted", max_retries=1)
    frappe.db.commit()
    return lambda *plan, **more: job(job_type, {"plan": plan or ("ok",), "n": frappe.generate_hash()}, **more)


def test_all_that_may_start_is_run_and_what_follows_from_it(step):
    whole = batch(chain(step(), step()), on_success=step()).submit(factory.ALPHA)
    frappe.db.commit()
    assert list(run_jobs().values()) == ["Completed"] * 3
    assert frappe.db.get_value("Job Batch", whole.name, "status") == "Completed"


def test_urgent_jobs_run_first(step):
    low = submit_job(organization=factory.ALPHA, **step(priority="Low"))
    high = submit_job(organization=factory.ALPHA, **step(priority="High"))
    frappe.db.commit()
    assert list(run_jobs()) == [high.name, low.name]


def test_what_is_due_later_stays(step):
    later = submit_job(organization=factory.ALPHA, available_at=60, **step())
    failing = submit_job(organization=factory.ALPHA, **step("fail", "ok"))
    frappe.db.commit()
    assert run_jobs() == {failing.name: "Failed"}
    assert status(later) == "Pending"


def test_however_many_jobs_are_run_one_entry_is_left_for_workers_who_find_nobody(step):
    for _number in range(5):
        submit_job(organization=factory.ALPHA, **step())
        frappe.db.commit()
    run_jobs()
    assert len([key for key in processes.queue_client().keys("rq:job:*") if b"JOB-" in key]) == 1
    assert claim.Claimer().claim_next() is None


def test_the_user_of_the_test_stays(step, alice):
    submit_job(organization=factory.ALPHA, **step())
    frappe.db.commit()
    assert as_user(alice, lambda: (run_jobs(), frappe.session.user))[1] == alice


def test_jobs_without_end_are_noticed(no_sweeps):
    # Broken by a limit on what is Queued at one time alone.
    job_type = factory.job_type("snoozing", "snoozes_for")
    frappe.db.commit()
    submitted(job_type, seconds=0)
    with pytest.raises(RuntimeError, match="More than 20 attempts"):
        run_jobs(limit=20)
