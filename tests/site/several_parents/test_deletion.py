"""A parent is kept while a child may need it."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import cancel_job, delete_jobs, executor, retry_job
from tests.support.jobs import set_columns, status
from tests.support.parents import child_of, end_badly, parents_of


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("state", ["Pending", "Queued", "Running", "Failed", "Timed Out"])
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
    retry_job(parents[2].name)
    frappe.db.commit()
    retry_job(child.name)
    frappe.db.commit()
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
