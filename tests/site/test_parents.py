"""Jobs name the jobs that they depend on, read their results, and keep them from being deleted."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import (
    InvalidJobError,
    cancel_job,
    delete_jobs,
    executor,
    get_job_status,
    retry_job,
    submit_job,
    submit_jobs,
)
from dartwing_core.jobs.job import dependencies as job_parents
from tests.support import factory
from tests.support.jobs import set_columns, status, submitted, submitted_with
from tests.support.parents import child_of, end_badly, parents_of, request_of
from tests.support.sessions import as_user, committed


@pytest.fixture
def job_type(no_sweeps) -> str:
    """Of jobs that end as planned, where nobody sweeps."""
    return factory.job_type("plain", "scripted", max_retries=3)


def test_jobs_submitted_together_name_each_other_by_keys(job_type):
    last, first, second = submit_jobs(
        [
            request_of(job_type, key="last", depends_on=["first", "second"]),
            request_of(job_type, key="first", n=1),
            request_of(job_type, key="second", n=2, depends_on="first"),
        ]
    )
    frappe.db.commit()
    assert [status(job) for job in (last, first, second)] == ["Pending", "Queued", "Pending"]
    assert get_job_status(last.name)["parents"] == sorted([first.name, second.name])
    assert get_job_status(second.name)["parents"] == [first.name]
    executor.execute_job(first.name, 1)
    assert [status(job) for job in (last, second)] == ["Pending", "Queued"]
    executor.execute_job(second.name, 1)
    assert status(last) == "Queued"


@pytest.mark.parametrize(
    ("jobs", "reason"),
    [
        ([{"key": "a", "depends_on": "a"}], "wait for each other: a"),
        ([{"key": "a", "depends_on": "b"}, {"key": "b", "depends_on": ["a"]}], "wait for each other: a, b"),
        ([{"key": "a", "depends_on": "nobody"}], "nobody not found in this organization"),
        ([{"key": "a"}, {"key": "a"}], "Two of these jobs have the key a"),
        ([{"key": "JOB-1"}], "key must be text"),
        ([{"key": "a"}, {"depends_on": "a", "organization": factory.BETA}], "of its own organization"),
        ([{"on_parent_failure": "explode"}], "on_parent_failure must be one of"),
        ([{"depends_on": {"a": 1}}], "must be the id of a job, or a list"),
    ],
)
def test_what_can_t_be_is_refused_with_the_reason(job_type, jobs, reason):
    with pytest.raises(InvalidJobError, match=reason):
        submit_jobs([request_of(job_type, **job, n=number) for number, job in enumerate(jobs)])
    frappe.db.commit()
    assert not frappe.db.count("Background Job", {"job_type": job_type})


def test_a_job_merged_with_its_own_child_is_refused(job_type):
    plain = factory.job_type("once", deduplication_window=300)
    twin = {**request_of(plain), "on_duplicate": "return"}
    with pytest.raises(InvalidJobError, match="wait for each other: a"):
        submit_jobs([{**twin, "key": "a"}, {**twin, "depends_on": "a"}])


def test_an_equal_job_that_exists_already_is_waited_for(job_type):
    once = factory.job_type("once", "scripted", deduplication_window=300)
    existing = submitted(once, plan=["ok"])
    twin = {**request_of(once), "on_duplicate": "return", "key": "twin"}
    same, child = committed(submit_jobs, [twin, request_of(job_type, depends_on="twin")])
    assert (same.name, status(child)) == (existing.name, "Pending")
    executor.execute_job(existing.name, 1)
    assert status(child) == "Queued"


@pytest.mark.parametrize("foreign", [0, 1])
def test_parents_one_may_not_see_are_refused_like_missing_ones(job_type, alice, foreign):
    theirs = submitted_with(job_type) if foreign else submit_job(job_type, factory.BETA)
    frappe.db.commit()
    frappe.set_user(alice)
    own = submitted_with(job_type)
    texts = []
    for name in (theirs.name, "JOB-NOWHERE"):
        with pytest.raises(InvalidJobError) as raised:
            submit_job(job_type, factory.ALPHA, depends_on=[own.name, name])
        texts.append(str(raised.value).replace(name, "$"))
    assert texts[0] == texts[1]


def results_of(child) -> dict:
    executor.execute_job(child.name, 1)
    found = get_job_status(child.name)
    assert found["status"] == "Completed", found
    return found["result"]


def test_a_handler_finds_the_results_of_completed_parents(job_type):
    gather, returns = factory.job_type("gather", "gather"), factory.job_type("gives", "gives")
    one, two, dead, child = submit_jobs(
        [
            request_of(returns, key="one", value=1),
            request_of(returns, key="two", value={"a": [2]}),
            request_of(job_type, plan=["dead"]),
            request_of(gather, depends_on=["one", "two"], keys=["two"], on_parent_failure="run"),
        ]
    )
    frappe.db.commit()
    for job in (one, two, dead):
        executor.execute_job(job.name, 1)
    expected = {one.name: {"value": 1}, two.name: {"value": {"a": [2]}}}
    assert results_of(child) == {"results": expected, "by_key": [{"value": {"a": [2]}}], "statements": 1}


def test_results_that_the_owner_may_not_see_any_more_are_left_out(job_type, alice):
    gather, returns = factory.job_type("gather", "gather"), factory.job_type("gives", "gives")
    frappe.db.set_value("Org Member", {"user": alice, "organization": factory.ALPHA}, "role", "Admin")
    parent = submitted(returns, value=7)
    executor.execute_job(parent.name, 1)
    child = as_user(alice, submitted_with, gather, parameters={"keys": []}, depends_on=parent.name)
    committed(frappe.db.set_value, "Org Member", {"user": alice, "organization": factory.ALPHA}, "role", "Member")
    assert results_of(child)["results"] == {}


def test_results_are_found_by_id_and_key_however_they_are_asked_for():
    # Seen failing (None) with `dict.get`, which asks for no missing keys.
    results = job_parents.Results({"JOB-1": {"rows": 3}}, {"orders": "JOB-1"})
    assert results["orders"] == results.get("orders") == results.get("JOB-1") == {"rows": 3}
    assert ("orders" in results, "JOB-1" in results, "other" in results) == (True, True, False)
    assert (results.get("other"), results.get("other", 5), list(results)) == (None, 5, ["JOB-1"])


@pytest.mark.parametrize(("number", "state"), [(1, "Failed"), (2, "Pending"), (2, "Running")])
def test_a_completed_parent_of_an_unfinished_child_is_not_deleted(job_type, number, state):
    # Seen failing: it was deleted, and the child ran without its result.
    parents = parents_of(job_type, number)
    child = child_of(job_type, parents)
    for parent in parents:
        executor.execute_job(parent.name, 1)
    set_columns(child, status=state)
    for parent in parents:
        with pytest.raises(frappe.ValidationError, match=f"{child.name} depends on job {parent.name} and has not"):
            frappe.delete_doc("Background Job", parent.name, force=True)
        assert "depends on" in delete_jobs([parent.name])["refused"][parent.name]
    set_columns(child, status="Canceled")
    assert delete_jobs([parent.name for parent in parents])["refused"] == {}


def test_a_retried_child_does_not_miss_a_completed_parent_that_was_deleted(job_type):
    # Broken by leaving out `dependencies.forget`: the child was told that it was deleted.
    parents = [*parents_of(job_type, 2), *parents_of(job_type, 1, "dead", "ok")]
    child = child_of(job_type, parents)
    for parent in parents[:2]:
        executor.execute_job(parent.name, 1)
    end_badly(parents[2], "Dead Letter")
    assert status(child) == "Dead Letter"
    frappe.delete_doc("Background Job", parents[0].name)
    committed(retry_job, parents[2].name)
    committed(retry_job, child.name)
    executor.execute_job(parents[2].name, 2)
    assert status(child) == "Queued"


@pytest.mark.parametrize("position", [0, 1])
def test_an_unhappy_parent_of_a_waiting_child_is_not_deleted(job_type, position):
    parents = parents_of(job_type, 2)
    child_of(job_type, parents)
    set_columns(parents[position], status="Dead Letter")
    with pytest.raises(frappe.ValidationError, match="depends on job"):
        frappe.delete_doc("Background Job", parents[position].name)


def test_deleting_a_child_takes_its_dependencies_along(job_type):
    parents = parents_of(job_type, 2)
    child = child_of(job_type, parents)
    cancel_job(child.name)
    frappe.delete_doc("Background Job", child.name)
    assert not frappe.db.count("Background Job Dependency", {"background_job": child.name})
