"""How long an equal job is a duplicate, and when its twin takes the new parameters."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import DuplicateJobError, InvalidJobError, submit_job, submit_jobs
from tests.support import attempts, contents, factory
from tests.support.jobs import messages, run, set_columns
from tests.support.lifecycle import made
from tests.support.queues import listed
from tests.support.sessions import committed

pytestmark = pytest.mark.usefixtures("no_sweeps")

WHILE, WITHIN, NEVER = "While Unfinished", "Within the Window", "Never"


def submit(job_type: str, **arguments):
    return committed(submit_job, job_type, factory.ALPHA, {"n": 1}, **arguments)


def is_duplicate(job_type: str, **arguments) -> bool:
    try:
        submit(job_type, **arguments)
    except DuplicateJobError:
        frappe.db.rollback()
        return True
    return False


@pytest.mark.parametrize(
    ("values", "policy", "window"),
    [
        ({}, WHILE, 300),
        ({"deduplication_window": 60}, WITHIN, 60),
        ({"deduplication_window": 0}, NEVER, 0),
        ({"deduplication": WITHIN}, WITHIN, 300),
        ({"deduplication": WITHIN, "deduplication_window": 0}, WITHIN, 300),
    ],
)
def test_a_type_that_does_not_say_means_its_window_or_while_unfinished(values, policy, window):
    type_name, handler = "test_says", f"{factory.HANDLERS}.nothing"
    made = frappe.get_doc({"doctype": "Job Type", "type_name": type_name, "handler_method": handler, **values}).insert()
    assert (made.deduplication, made.deduplication_window) == (policy, window)


@pytest.mark.parametrize(
    ("policy", "while_it_runs", "after_it"), [(WHILE, True, False), (WITHIN, True, True), (NEVER, False, False)]
)
def test_equal_jobs_are_duplicates_as_the_type_says(policy, while_it_runs, after_it):
    # Seen failing: a second invoice of a customer within five minutes was a duplicate of the first, which was done.
    job_type = made("nothing", deduplication=policy, deduplication_window=300)
    job = submit(job_type)
    assert is_duplicate(job_type) == while_it_runs
    assert run(job)["status"] == "Completed"
    if not while_it_runs:
        return
    assert is_duplicate(job_type) == after_it


def test_a_job_that_waits_for_its_retry_is_unfinished():
    job_type = made("add_note", deduplication=WHILE)
    job = committed(submit_job, job_type, factory.ALPHA, {"title": "test", "then": "fail"})
    assert run(job)["status"] == "Failed"
    with pytest.raises(DuplicateJobError):
        submit_job(job_type, factory.ALPHA, {"title": "test", "then": "fail"})


def test_a_call_may_say_otherwise():
    job_type = made("nothing", deduplication=NEVER)
    submit(job_type, deduplication="while_unfinished")
    assert is_duplicate(job_type, deduplication="while_unfinished")
    assert not is_duplicate(job_type), "the type's other jobs are never duplicates"
    within = factory.job_type("another", deduplication=WHILE, deduplication_window=300)
    run(submit(within, deduplication="within_window"))
    assert is_duplicate(within, deduplication="within_window")
    asked = {"job_type": within, "organization": factory.ALPHA, "parameters": {"n": 1}, "deduplication": "never"}
    assert len({job.name for job in submit_jobs([asked, asked])}) == 2
    with pytest.raises(InvalidJobError, match="while_unfinished, within_window, never"):
        submit(within, deduplication="always")


def test_a_key_is_asked_for_also_where_the_type_says_never():
    # Seen failing: `dedup_key` was ignored without a word.
    job_type = made("nothing", deduplication=NEVER)
    submit(job_type, dedup_key="k")
    assert is_duplicate(job_type, dedup_key="k")
    assert not is_duplicate(job_type, dedup_key="k", deduplication="never")


def test_a_twin_that_is_in_line_may_take_the_new_parameters_and_the_place_of_its_priority():
    job_type = made("nothing", deduplication_window=300)
    first = submit_job(job_type, factory.ALPHA, {"v": 1}, dedup_key="k", priority="Low")
    other = committed(submit_job, job_type, factory.ALPHA, {"v": 0}, dedup_key="other")
    second = submit_job(job_type, factory.ALPHA, {"v": 2}, dedup_key="k", on_duplicate="replace", priority="High")
    frappe.db.commit()
    assert second.name == first.name
    assert listed("short") == [first.name], "workers of its queue are told"
    assert messages(first)[-1] == "Parameters replaced by a newer request"
    made_attempt = attempts.begun_next()
    assert (made_attempt.job.name, contents.parameters(first.name)) == (first.name, {"v": 2})
    assert attempts.begun_next().job.name == other.name


@pytest.mark.parametrize("attempt", [0, 1])
def test_a_twin_that_has_begun_is_not_replaced(attempt):
    job_type = made("nothing", deduplication_window=300)
    job = committed(submit_job, job_type, factory.ALPHA, {"v": 1}, dedup_key="k")
    if attempt:
        set_columns(job, attempt=1)  # it waits for its retry
    else:
        assert attempts.taken(job.name, 1)
    with pytest.raises(DuplicateJobError):
        submit_job(job_type, factory.ALPHA, {"v": 2}, dedup_key="k", on_duplicate="replace")
