"""Time limits that a handler cannot be told of in the usual way (R10; invariants I8 and I9)."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import get_job_status
from tests.support import database, factory
from tests.support.fleet import Fleet
from tests.support.jobs import status, submitted
from tests.support.waiting import until


def sleeping_queries() -> int:
    return database.value("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(%%'")


def test_a_handler_stuck_in_the_database_is_timed_out_and_its_query_ended(fleet: Fleet):
    job_type = factory.job_type("query", "long_query", default_timeout=2, max_retries=0)
    frappe.db.commit()
    fleet.hire(1)
    job = submitted(job_type, seconds=120)
    until(sleeping_queries, 15, "the query")
    until(lambda: status(job) == "Dead Letter", 15, "the time limit")
    assert "time limit" in get_job_status(job.name)["error_message"]
    until(lambda: sleeping_queries() == 0, 10, "the query's end in the server")
    after = submitted("echo_job", after="query")
    until(lambda: status(after) == "Completed", 15, "the worker's next job")


@pytest.mark.timeout(180)
def test_a_handler_deep_in_c_code_is_timed_out_from_outside(fleet: Fleet):
    # RQ's exception waits until the interpreter is free again, which is longer than anybody wants to wait.
    job_type = factory.job_type("deep", "deep_in_c", default_timeout=2, max_retries=0)
    frappe.db.commit()
    fleet.hire(2)
    job = submitted(job_type, numbers=10**11)
    until(lambda: status(job) == "Running", 15, "the start")
    until(lambda: status(job) == "Dead Letter", 30, "the rescue")
    assert "time limit" in get_job_status(job.name)["error_message"]
    after = submitted("echo_job", after="deep")
    until(lambda: status(after) == "Completed", 20, "another worker's next job")
