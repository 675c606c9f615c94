"""A job exists exactly when its submitter's transaction commits (seed review 1.2, regressions 17 and 23)."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import get_job_status, submit_job
from tests.support import factory, processes


@pytest.fixture
def job_type() -> str:
    return factory.job_type("plain")


def test_commit_queues_the_job(job_type):
    job = submit_job(job_type, factory.ALPHA, {"n": 1})
    assert job.status == "Pending"
    assert processes.queue_client().keys("rq:job:*") == []
    frappe.db.commit()
    assert get_job_status(job.name)["status"] == "Queued"
    assert len(processes.queue_client().keys("rq:job:*")) == 1
