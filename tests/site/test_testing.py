"""`dartwing_core.jobs.testing`: what tests of other apps run their jobs with."""

from __future__ import annotations

import unittest

import frappe
import pytest

from dartwing_core.jobs import batch, enqueue, get_job_details, get_job_status, job, submit_job
from dartwing_core.jobs.lib import connection
from dartwing_core.jobs.line import claim
from dartwing_core.jobs.testing import (
    HandlerFailed,
    JobTests,
    TransactionLost,
    context_for,
    fail_next,
    one_transaction,
    perform_jobs,
    run_jobs,
    time_passed,
    trap_jobs,
)
from dartwing_core.jobs.types.functions import HOOK
from tests.support import declared_handlers, enqueued_functions, factory, files, processes
from tests.support.database import value
from tests.support.handlers import whoami
from tests.support.jobs import status, submitted
from tests.support.registry import types_of
from tests.support.sessions import as_user, committed

pytest_plugins = ["dartwing_core.jobs.testing_fixtures"]
pytestmark = pytest.mark.usefixtures("no_sweeps")


@pytest.fixture
def step(site):
    """`step(*plan)`: a job that ends as planned."""
    job_type = factory.job_type("step", "scripted", max_retries=1)
    return lambda *plan, **more: job(job_type, {"plan": plan or ("ok",), "n": frappe.generate_hash()}, **more)


def test_however_many_jobs_are_run_one_entry_is_left_for_workers_who_find_nobody(step, alice):
    for _number in range(5):
        committed(submit_job, organization=factory.ALPHA, **step())
    as_user(alice, run_jobs)
    assert len([key for key in processes.queue_client().keys("rq:job:*") if b"JOB-" in key]) == 1
    assert claim.Claimer().claim_next() is None


def test_jobs_without_end_are_noticed(site):
    # Broken by a limit on what is Queued at one time alone.
    job_type = factory.job_type("snoozing", "snoozes")
    submitted(job_type, seconds=0)
    with pytest.raises(RuntimeError, match="More than 20 attempts"):
        run_jobs(limit=20)


# What was submitted, failures and time


def test_a_trap_holds_what_was_submitted(step, trapped_jobs):
    job_type = factory.job_type("trapped", "nothing", job_title="For {customer}")
    trapped_jobs.assert_nothing_submitted()
    made = submit_job(job_type, factory.ALPHA, {"customer": "Ann", "n": 1})
    found = trapped_jobs.assert_submitted(job_type, customer="Ann")
    assert (found.job_id, found.title) == (made.name, "For Ann")
    assert found.parameters == {"customer": "Ann", "n": 1}
    trapped_jobs.assert_nothing_submitted("echo_job")
    for wrong in ({"customer": "Bea"}, {"customr": "Ann"}):
        with pytest.raises(AssertionError, match=rf'0 jobs {job_type} .*\n{job_type} {{"customer": "Ann", "n": 1}}'):
            trapped_jobs.assert_submitted(job_type, **wrong)
    submit_job(job_type, factory.ALPHA, {"customer": "Ann", "n": 2})
    with pytest.raises(AssertionError, match="2 jobs"):
        trapped_jobs.assert_submitted(job_type, customer="Ann")
    with pytest.raises(AssertionError, match="Submitted:"):
        trapped_jobs.assert_nothing_submitted()
    frappe.db.rollback()


def test_a_trap_takes_a_handler_for_its_type(site, monkeypatch):
    with types_of(declared_handlers, monkeypatch), trap_jobs() as trap:
        submit_job("test_declared", factory.ALPHA, {"customer": "Ann"})
        frappe.db.rollback()
    declared = declared_handlers.declared
    assert trap.assert_submitted(declared, customer="Ann").job_type == context_for(declared).job_type
    with pytest.raises(AssertionError):
        trap.assert_nothing_submitted(declared)
    with pytest.raises(TypeError, match="declares no Job Type"):
        trap.assert_submitted(whoami)


def test_a_trap_takes_a_function_that_was_enqueued(site, monkeypatch):
    # Seen failing: arguments were found only as a part of the parameters of enqueued_function.
    monkeypatch.setitem(frappe.conf, HOOK, [f"{enqueued_functions.NAME}.by_pattern"])
    with trap_jobs() as trap:
        made = enqueue(enqueued_functions.by_pattern, n=1, job_organization=factory.ALPHA)
        frappe.db.rollback()
    assert trap.assert_submitted(enqueued_functions.by_pattern, n=1).job_id == made.name
    with pytest.raises(AssertionError, match=r"0 jobs tests\.support\.enqueued_functions\.by_pattern with {'n': 2}"):
        trap.assert_submitted(enqueued_functions.by_pattern, n=2)
    trap.assert_nothing_submitted(enqueued_functions.send)
    with pytest.raises(AssertionError, match="by_pattern"):
        trap.assert_nothing_submitted(enqueued_functions.by_pattern)


def test_batches_and_schedules_fall_into_the_trap(step):
    with trap_jobs() as trap:
        batch(step(), step()).submit(factory.ALPHA)
    assert len(trap.jobs) == 2
    submit_job(organization=factory.ALPHA, **step())
    assert len(trap.jobs) == 2, "the trap is over"
    frappe.db.rollback()


class OfAnApp(JobTests, unittest.TestCase):
    def test(self) -> None:
        made = submit_job("echo_job", factory.ALPHA, {"n": frappe.generate_hash()})
        assert self.jobs.assert_submitted("echo_job").job_id == made.name
        frappe.db.rollback()


def test_the_mixin_traps_the_jobs_of_each_test(site):
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(OfAnApp).run(result)
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])


def test_an_error_of_a_handler_is_raised_with_its_traceback(step):
    made = committed(submit_job, organization=factory.ALPHA, **step("fail"))
    with pytest.raises(HandlerFailed, match=rf"Job {made.name}: Failed\n(.|\n)*handlers.py"):
        run_jobs(raising=True)
    assert status(made) == "Failed"
    committed(submit_job, organization=factory.ALPHA, **step("ok"))
    assert list(run_jobs(raising=True).values()) == ["Completed"]


def test_a_failure_that_no_attempt_met_is_an_error(step):
    # Seen failing: the attempts came later than the block, and the test passed without the failure that it was about.
    with (
        pytest.raises(AssertionError, match="fail_next: 1 of 1 attempts were not made"),
        fail_next(ConnectionError("x")),
    ):
        submit_job(organization=factory.ALPHA, **step("ok"))


# perform_jobs: jobs run in the transaction of a test, which a rollback removes --------------------------------------


ROWS = "SELECT COUNT(*) FROM `tabBackground Job`"


@pytest.fixture
def job_type(site) -> str:
    return factory.job_type("perform", "add_note", max_retries=1, deduplication="While Unfinished")


def test_jobs_and_their_work_are_gone_with_the_transaction(job_type):
    # Seen failing: run_jobs commits, so each test had to clean up.
    waiting = submitted(job_type, title="waiting")
    before = value(ROWS)
    processes.queue_client().flushdb()
    with perform_jobs() as statuses:
        made = submit_job(job_type, factory.ALPHA, {"title": "performed"})
        assert statuses == {}
        assert get_job_status(made.name)["status"] == "Queued"
    assert statuses == {made.name: "Completed"}
    assert get_job_status(waiting.name)["status"] == "Queued", "other jobs of the site stay"
    assert processes.queue_client().keys("rq:queue:*") == [], "no worker is woken"
    assert get_job_details(made.name)["attempts"][0]["outcome"] == "Completed"
    assert value(ROWS) == before
    frappe.db.rollback()
    assert not frappe.db.exists("Background Job", made.name)


def test_what_the_test_has_written_before_stays_and_goes_with_it(job_type):
    todo = frappe.get_doc({"doctype": "ToDo", "description": "before"}).insert()
    with perform_jobs(raising=False):
        committed(submit_job, job_type, factory.ALPHA, {"title": "x", "then": "fail"})
        frappe.db.rollback()  # back to that commit
    assert frappe.db.exists("ToDo", todo.name)
    frappe.db.rollback()
    assert not frappe.db.exists("ToDo", todo.name)


def test_an_error_of_a_handler_fails_the_test(job_type):
    with pytest.raises(HandlerFailed, match="asked to fail for good"), perform_jobs():
        submit_job(job_type, factory.ALPHA, {"title": "x", "then": "fail_for_good"})
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
    with perform_jobs():
        made = submit_job(job_type, factory.ALPHA, {"content": "performed"})
    assert len(files.on_disk(made)) == 1
    frappe.db.rollback()
    assert files.on_disk(made) == []


def test_a_handler_that_needs_another_connection_says_so(site):
    with pytest.raises(TransactionLost, match="Use run_jobs"), one_transaction():
        connection.renew()
