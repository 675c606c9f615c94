"""`perform_jobs`: jobs run in the transaction of a test, which a rollback removes."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import DuplicateJobError, batch, chain, get_job_details, get_job_status, job, submit_job
from dartwing_core.jobs.lib import connection, sql
from dartwing_core.jobs.testing import (
    HandlerFailed,
    TransactionLost,
    fail_next,
    one_transaction,
    perform_jobs,
    time_passed,
)
from tests.support import factory, files, processes
from tests.support.database import value
from tests.support.jobs import submitted

pytestmark = pytest.mark.usefixtures("no_sweeps")
ROWS = "SELECT COUNT(*) FROM `tabBackground Job`"


@pytest.fixture
def job_type(site) -> str:
    name = factory.job_type("perform", "add_note", max_retries=1, deduplication="While Unfinished")
    frappe.db.commit()
    return name


def test_jobs_and_their_work_are_gone_with_the_transaction(job_type):
    # Seen failing: run_jobs commits, so each test had to clean up.
    before = value(ROWS)
    with perform_jobs() as statuses:
        made = submit_job(job_type, factory.ALPHA, {"title": "performed"})
        assert statuses == {}
        assert get_job_status(made.name)["status"] == "Queued"
    assert statuses == {made.name: "Completed"}
    assert get_job_details(made.name)["attempts"][0]["outcome"] == "Completed"
    assert value(ROWS) == before
    frappe.db.rollback()
    assert not frappe.db.exists("Background Job", made.name)


def test_what_the_test_has_written_before_stays_and_goes_with_it(job_type):
    todo = frappe.get_doc({"doctype": "ToDo", "description": "before"}).insert()
    with perform_jobs(raising=False):
        submit_job(job_type, factory.ALPHA, {"title": "x", "then": "fail"})
        frappe.db.commit()
        frappe.db.rollback()  # back to that commit
    assert frappe.db.exists("ToDo", todo.name)
    frappe.db.rollback()
    assert not frappe.db.exists("ToDo", todo.name)


def test_an_error_of_a_handler_fails_the_test(job_type):
    with pytest.raises(HandlerFailed, match="asked to fail for good"), perform_jobs():
        submit_job(job_type, factory.ALPHA, {"title": "x", "then": "fail_for_good"})
    frappe.db.rollback()


def test_a_retry_is_left_for_later(job_type):
    with fail_next(ConnectionError("gone")), perform_jobs(raising=False) as statuses:
        made = submit_job(job_type, factory.ALPHA, {"title": "x"})
    assert statuses == {made.name: "Failed"}
    assert get_job_status(made.name)["retry_count"] == 1
    frappe.db.rollback()


def test_a_later_block_in_which_time_has_passed_runs_retries(job_type):
    # Seen failing: only run_jobs ran them, which commits.
    before = value(ROWS)
    with fail_next(ConnectionError("gone")), perform_jobs(raising=False):
        made = submit_job(job_type, factory.ALPHA, {"title": "x"})
        later = submit_job(job_type, factory.ALPHA, {"title": "later"}, available_at=3600)
    with perform_jobs() as nothing:
        pass
    with time_passed(7200), perform_jobs() as statuses:
        new = submit_job(job_type, factory.ALPHA, {"title": "new"})
    assert (nothing, statuses) == ({}, {job.name: "Completed" for job in (new, made, later)})
    assert value(ROWS) == before
    frappe.db.rollback()
    with time_passed(7200), perform_jobs() as nothing:
        pass
    assert nothing == {}


def test_a_job_that_has_failed_its_test_is_retried_by_a_later_block(job_type):
    # Seen failing: the block that raised had forgotten its jobs.
    with pytest.raises(HandlerFailed), fail_next(ConnectionError("gone")), perform_jobs():
        made = submit_job(job_type, factory.ALPHA, {"title": "x"})
    with time_passed(7200), perform_jobs() as statuses:
        pass
    assert statuses == {made.name: "Completed"}
    frappe.db.rollback()


def test_a_job_that_may_not_start_raises_no_earlier_failure(job_type):
    # Seen failing: the error of the attempt before was raised again.
    with fail_next(ConnectionError("gone")), perform_jobs(raising=False):
        made = submit_job(job_type, factory.ALPHA, {"title": "x"})
    frappe.get_doc("Job Type", job_type).update({"is_paused": 1}).save()
    with time_passed(7200), perform_jobs() as statuses:
        pass
    assert statuses == {made.name: "Queued"}
    frappe.db.rollback()
    frappe.clear_document_cache("Job Type", job_type)


def test_workflows_run_to_their_end(job_type):
    steps = [job(job_type, {"title": f"step {n}"}) for n in (1, 2)]
    with perform_jobs() as statuses:
        whole = batch(chain(*steps), on_success=job(job_type, {"title": "end"})).submit(factory.ALPHA)
    assert list(statuses.values()) == ["Completed"] * 3
    assert frappe.db.get_value("Job Batch", whole.name, "status") == "Completed"
    frappe.db.rollback()


def test_other_jobs_of_the_site_stay(job_type):
    waiting = submitted(job_type, title="waiting")
    with perform_jobs() as statuses:
        made = submit_job(job_type, factory.ALPHA, {"title": "own"})
    assert list(statuses) == [made.name]
    assert get_job_status(waiting.name)["status"] == "Queued"
    frappe.db.rollback()


def test_equal_jobs_are_duplicates_there_too(job_type):
    with perform_jobs():
        submit_job(job_type, factory.ALPHA, {"title": "equal"})
        frappe.db.commit()
        with pytest.raises(DuplicateJobError):
            submit_job(job_type, factory.ALPHA, {"title": "equal"})
    with perform_jobs() as statuses:
        submit_job(job_type, factory.ALPHA, {"title": "equal"})  # the first one is over
    assert list(statuses.values()) == ["Completed"]
    frappe.db.rollback()


def test_jobs_that_are_held_or_due_later_are_left(job_type):
    with perform_jobs() as statuses:
        later = submit_job(job_type, factory.ALPHA, {"title": "later"}, available_at=60)
        frappe.db.set_value("Job Type", job_type, "is_paused", 1)
        frappe.clear_document_cache("Job Type", job_type)
        held = submit_job(job_type, factory.ALPHA, {"title": "held"})
    assert statuses == {later.name: "Pending", held.name: "Queued"}
    frappe.db.rollback()
    frappe.clear_document_cache("Job Type", job_type)


def test_files_of_the_jobs_go_with_the_transaction(site):
    job_type = factory.job_type("attaching", "makes_file")
    frappe.db.commit()
    with perform_jobs():
        made = submit_job(job_type, factory.ALPHA, {"content": "performed"})
    assert len(files.on_disk(made)) == 1
    frappe.db.rollback()
    assert files.on_disk(made) == []


def test_no_worker_is_woken(job_type):
    processes.queue_client().flushdb()
    with perform_jobs():
        submit_job(job_type, factory.ALPHA, {"title": "own"})
    assert processes.queue_client().keys("rq:queue:*") == []
    frappe.db.rollback()


def test_a_rollback_calls_what_commits_have_left_to_it_once(site):
    called: list[int] = []
    with one_transaction():
        frappe.db.after_rollback.add(lambda: called.append(1))
        frappe.db.commit()
        sql.commit()
        sql.commit()
    frappe.db.rollback()
    assert called == [1]


def test_a_rollback_that_chains_stays_within(site):
    todo = frappe.get_doc({"doctype": "ToDo", "description": "before"}).insert()
    with one_transaction():
        frappe.db.sql("rollback and chain")
        assert frappe.db.exists("ToDo", todo.name)
    frappe.db.rollback()


def test_a_handler_that_needs_another_connection_says_so(site):
    with pytest.raises(TransactionLost, match="Use run_jobs"), one_transaction():
        connection.renew()
