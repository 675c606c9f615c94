"""A handler finds the results of its parents, if the owner may see them."""

from __future__ import annotations

from functools import partial

import frappe

from dartwing_core.jobs import executor, get_job_status, submit_jobs
from dartwing_core.jobs.job import dependencies as job_parents
from dartwing_core.jobs.job import find
from tests.support import database, factory, population
from tests.support.jobs import set_columns, submitted, submitted_with
from tests.support.parents import child_of, parents_of, request_of


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


def test_a_handler_with_one_parent_or_none_finds_its_results(job_type):
    gather, returns = factory.job_type("gather", "gather"), factory.job_type("gives", "gives")
    parent = submitted(returns, value=7)
    executor.execute_job(parent.name, 1)
    child = submitted_with(gather, parameters={"keys": []}, depends_on=parent.name)
    assert results_of(child)["results"] == {parent.name: {"value": 7}}
    assert results_of(submitted(gather, keys=[], n=2)) == {"results": {}, "by_key": [], "statements": 0}


def test_results_that_the_owner_may_not_see_any_more_are_left_out(job_type, alice):
    gather, returns = factory.job_type("gather", "gather"), factory.job_type("gives", "gives")
    frappe.db.set_value("Org Member", {"user": alice, "organization": factory.ALPHA}, "role", "Admin")
    parent = submitted(returns, value=7)
    executor.execute_job(parent.name, 1)
    frappe.set_user(alice)
    child = submitted_with(gather, parameters={"keys": []}, depends_on=parent.name)
    frappe.set_user("Administrator")
    frappe.db.set_value("Org Member", {"user": alice, "organization": factory.ALPHA}, "role", "Member")
    frappe.db.commit()
    assert results_of(child)["results"] == {}


def test_results_are_read_from_the_parents_alone(job_type):
    # Seen failing with "the parent is this one OR one of those": the server reads the whole table.
    population.fill(factory.job_type("other"), 100)
    parents = parents_of(job_type, 3)
    for parent in parents:
        set_columns(parent, status="Completed")
    children = [child_of(job_type, parents), child_of(job_type, parents[:1])]
    frappe.db.sql("ANALYZE TABLE `tabBackground Job`, `tabBackground Job Dependency`")
    for child, number in zip(children, (3, 1), strict=True):
        read = partial(job_parents.results, find.load(child.name))
        assert len(read()) == number
        assert database.rows_read(read) <= 40


def test_results_are_found_by_id_and_key_however_they_are_asked_for():
    # Seen failing (None) with `dict.get`, which asks for no missing keys.
    results = job_parents.Results({"JOB-1": {"rows": 3}}, {"orders": "JOB-1"})
    assert results["orders"] == results.get("orders") == results.get("JOB-1") == {"rows": 3}
    assert ("orders" in results, "JOB-1" in results, "other" in results) == (True, True, False)
    assert (results.get("other"), results.get("other", 5), list(results)) == (None, 5, ["JOB-1"])
