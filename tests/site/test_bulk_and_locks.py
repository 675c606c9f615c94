"""Many jobs in one call, and submitters that wait for each other (issue "No job lost": dedup)."""

from __future__ import annotations

import threading

import frappe
import pytest

from dartwing_core.jobs import (
    DuplicateJobError,
    bulk_retry_dead_letter,
    retry_job,
    submit_job,
    submit_jobs,
)
from dartwing_core.jobs.errors import JobBusyError
from tests.support import database, factory
from tests.support.jobs import run
from tests.support.sessions import in_parallel


@pytest.fixture
def once() -> str:
    """A Job Type that deduplicates."""
    return factory.job_type("once", deduplication_window=300)


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


def test_equal_jobs_of_one_call_are_refused_otherwise(once):
    with pytest.raises(DuplicateJobError, match="Two of these jobs are the same"):
        submit_jobs(requests(once, 1, 1))
    assert count() == 0


def test_a_duplicate_in_a_later_insert_leaves_none_of_the_earlier_ones(once):
    # max_allowed_packet is 16 MB: one INSERT of this would close the caller's connection.
    text = "x" * 900_000
    large = [{**request, "parameters": {"n": n, "text": text}} for n, request in enumerate(requests(once, *range(20)))]
    submit_jobs(large[-1:])
    note = frappe.get_doc({"doctype": "Note", "title": "test note", "public": 1}).insert()
    with pytest.raises(DuplicateJobError):
        submit_jobs(large)
    assert count() == 1
    assert frappe.db.exists("Note", note.name), "the caller's own work stays"
    assert len(submit_jobs([{**request, "on_duplicate": "return"} for request in large])) == 20
    assert count() == 20


def test_two_that_wait_for_each_others_keys_lose_no_transaction(once):
    # One of them is told to try again; what it has written so far stays, and it may go on. Now and then both are told:
    # the server finds the circle from both sides at once (26 of 3,000 times on 11.8).
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

    found = in_parallel([lambda: submit("a", "b"), lambda: submit("b", "a")])
    assert sorted(found) in ([False, True], [False, False])
    frappe.db.rollback()
    assert count() == 2


def test_a_duplicates_open_transaction_keeps_nobody_from_other_jobs(once):
    # Broken by an INSERT that runs into the duplicate key, as it was: the second submit waits until 1205.
    submit_jobs(requests(once, *range(3)))
    frappe.db.commit()
    for number in range(3):
        submit_job(once, factory.ALPHA, {"n": number}, on_duplicate="return")

    def submit_others() -> None:
        frappe.db.sql("SET innodb_lock_wait_timeout = 1")
        submit_jobs(requests(once, *range(10, 60)))
        frappe.db.commit()

    assert in_parallel([submit_others]) == [None]


def finish(job, status: str) -> None:
    frappe.db.set_value("Background Job", job.name, {"status": status, "dedup_until_epoch": 0})
    frappe.db.commit()


def test_a_dead_job_is_not_retried_beside_a_newer_twin(once):
    first = submit_job(once, factory.ALPHA, {"n": 1})
    finish(first, "Dead Letter")
    second = submit_job(once, factory.ALPHA, {"n": 1})
    frappe.db.commit()
    with pytest.raises(DuplicateJobError, match=second.name):
        retry_job(first.name)
    assert first.name in bulk_retry_dead_letter()["skipped"]
    finish(second, "Completed")
    retry_job(first.name)
    with pytest.raises(DuplicateJobError, match=first.name):
        submit_job(once, factory.ALPHA, {"n": 1})
    frappe.db.commit()
    finish(first, "Completed")
    assert submit_job(once, factory.ALPHA, {"n": 1}).name != first.name


def test_a_retry_with_other_parameters_stands_for_these_or_for_the_callers_key(once):
    job = submit_job(once, factory.ALPHA, {"n": 1})
    finish(job, "Dead Letter")
    retry_job(job.name, {"n": 2})
    with pytest.raises(DuplicateJobError, match=job.name):
        submit_job(once, factory.ALPHA, {"n": 2})
    assert submit_job(once, factory.ALPHA, {"n": 1}).name != job.name
    keyed = submit_job(once, factory.ALPHA, {"n": 4}, dedup_key="k")
    finish(keyed, "Dead Letter")
    retry_job(keyed.name, {"n": 5})
    with pytest.raises(DuplicateJobError, match=keyed.name):
        submit_job(once, factory.ALPHA, {"n": 6}, dedup_key="k")


def test_a_replacement_that_comes_too_late_locks_no_running_job(once):
    # Broken by not asking for Pending in `dedup.find_existing`: the worker's settle would wait for the caller.
    job = submit_job(once, factory.ALPHA, {"n": 1}, dedup_key="k")
    frappe.db.commit()
    frappe.db.set_value("Background Job", job.name, "status", "Running")
    frappe.db.commit()
    with pytest.raises(DuplicateJobError):
        submit_job(once, factory.ALPHA, {"n": 2}, dedup_key="k", on_duplicate="replace")
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("SET innodb_lock_wait_timeout = 1")
        cursor.execute("UPDATE `tabBackground Job` SET progress = 1 WHERE name = %s", (job.name,))


def test_edited_parameters_do_not_meet_the_checkpoint_of_other_work():
    job_type = factory.job_type("state", "keeps_state", max_retries=0)
    job = submit_job(job_type, factory.ALPHA, {"fail": True})
    frappe.db.commit()
    assert run(job)["status"] == "Dead Letter"
    retry_job(job.name, {"fail": False})
    frappe.db.commit()
    assert run(job, 2)["result"] == {"state": None}
