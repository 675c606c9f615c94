"""Jobs that are submitted together may name each other; what can not be is refused."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import InvalidJobError, executor, get_job_status, submit_job, submit_jobs
from tests.support import factory
from tests.support.jobs import status, submitted, submitted_with
from tests.support.parents import request_of


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
        ([{"key": " "}], "key must be text"),
        ([{"key": "a"}, {"depends_on": "a", "organization": factory.BETA}], "of its own organization"),
        ([{"on_parent_failure": "explode"}], "on_parent_failure must be one of"),
        ([{"depends_on": [7]}], "must be the id of a job, or a list"),
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
    same, child = submit_jobs([twin, request_of(job_type, depends_on="twin")])
    frappe.db.commit()
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
