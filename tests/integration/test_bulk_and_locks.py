"""Many jobs in one call, and submitters that wait for each other (issue "No job lost": dedup)."""

from __future__ import annotations

import threading

import frappe
import pytest

from dartwing_core.jobs import DuplicateJobError, InvalidJobError, retry_job, submit_job, submit_jobs
from dartwing_core.jobs.errors import JobBusyError
from tests.support import database, factory
from tests.support.jobs import run
from tests.support.sessions import in_parallel


@pytest.fixture
def once() -> str:
    """A Job Type that deduplicates."""
    name = factory.job_type("once", deduplication_window=300)
    frappe.db.commit()
    return name


def requests(job_type: str, *numbers: int, **more) -> list[dict]:
    return [
        {"job_type": job_type, "organization": factory.ALPHA, "parameters": {"n": number}, **more} for number in numbers
    ]


def count() -> int:
    return frappe.db.count("Background Job", {"organization": factory.ALPHA})


def test_equal_jobs_of_one_call_are_one_job_where_that_was_asked(once):
    first, second, third = submit_jobs(requests(once, 1, 2, 1, on_duplicate="return"))
    assert first.name == third.name != second.name
    assert count() == 2


def test_the_last_of_equal_jobs_replaces_the_first(once):
    first, second = ({**request, "dedup_key": "k", "on_duplicate": "replace"} for request in requests(once, 1, 2))
    jobs = submit_jobs([first, second])
    assert jobs[0].name == jobs[1].name
    assert frappe.parse_json(frappe.db.get_value("Background Job", jobs[0].name, "input_parameters")) == {"n": 2}


def test_equal_jobs_of_one_call_are_refused_otherwise(once):
    with pytest.raises(DuplicateJobError, match="Two of these jobs are the same"):
        submit_jobs(requests(once, 1, 1))
    assert count() == 0


def test_more_than_the_server_takes_at_once_is_several_inserts(once):
    # max_allowed_packet is 16 MB: one INSERT of this would close the caller's connection.
    text = "x" * 900_000
    large = [{**request, "parameters": {"n": n, "text": text}} for n, request in enumerate(requests(once, *range(25)))]
    before = frappe.db._conn.thread_id()
    with database.statements() as seen:
        submit_jobs(large)
    assert frappe.db._conn.thread_id() == before
    assert count() == 25
    assert sum(statement.startswith("INSERT INTO `tabBackground Job`") for statement in seen) > 1


def test_a_duplicate_in_a_later_insert_leaves_none_of_the_earlier_ones(once):
    text = "x" * 900_000
    large = [{**request, "parameters": {"n": n, "text": text}} for n, request in enumerate(requests(once, *range(12)))]
    submit_jobs(large[-1:])
    note = frappe.get_doc({"doctype": "Note", "title": "test note", "public": 1}).insert()
    with pytest.raises(DuplicateJobError):
        submit_jobs(large)
    assert count() == 1
    assert frappe.db.exists("Note", note.name), "the caller's own work stays"
    assert len(submit_jobs([{**request, "on_duplicate": "return"} for request in large])) == 12
    assert count() == 12


def test_locks_are_had_and_given_back_in_few_statements(once):
    with database.statements() as seen:
        submit_jobs(requests(once, *range(300)))
        frappe.db.commit()
    assert sum("GET_LOCK" in statement for statement in seen) == 2
    assert sum("RELEASE_LOCK" in statement for statement in seen) == 2


def test_a_key_locked_twice_is_free_in_the_end(once):
    key = submit_job(once, factory.ALPHA, {"n": 1}).active_key
    for _ in range(2):
        submit_job(once, factory.ALPHA, {"n": 1}, on_duplicate="return")
    frappe.db.commit()
    assert database.value("SELECT IS_FREE_LOCK(%s)", f"{frappe.conf.db_name}:{key}"[:64]) == 1


def test_two_that_wait_for_each_others_keys_lose_no_transaction(once):
    # One of them is told to try again; what it has written so far stays, and it may go on.
    both_have_one = threading.Barrier(2)

    def submit(first: str, second: str) -> bool:
        job = submit_job(once, factory.ALPHA, {"n": first})
        both_have_one.wait(10)
        try:
            submit_job(once, factory.ALPHA, {"n": second}, on_duplicate="return")
        except JobBusyError:
            assert frappe.db.exists("Background Job", job.name), "its transaction is still there"
            frappe.db.commit()
            return False
        frappe.db.commit()
        return True

    assert sorted(in_parallel([lambda: submit("a", "b"), lambda: submit("b", "a")])) == [False, True]
    frappe.db.rollback()
    assert count() == 2


def test_edited_parameters_do_not_meet_the_checkpoint_of_other_work():
    job_type = factory.job_type("state", "keeps_state", max_retries=0)
    job = submit_job(job_type, factory.ALPHA, {"fail": True})
    frappe.db.commit()
    assert run(job)["status"] == "Dead Letter"
    retry_job(job.name, {"fail": False})
    frappe.db.commit()
    assert run(job, 2)["result"] == {"state": None}


@pytest.mark.parametrize("depends_on", [["JOB-1"], {"a": 1}, 7])
def test_a_dependency_that_is_no_id_is_refused(once, depends_on):
    with pytest.raises(InvalidJobError, match="depends_on"):
        submit_job(once, factory.ALPHA, depends_on=depends_on)
