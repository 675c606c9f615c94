"""What a batch is made of, in which order it runs, and what is refused."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import (
    DuplicateJobError,
    InvalidJobError,
    batch,
    chain,
    get_batch_status,
    get_job_status,
    group,
    job,
    submit_batch,
)
from tests.support import factory
from tests.support.batches import made, members, run, state, work
from tests.support.jobs import submitted_with

pytestmark = pytest.mark.usefixtures("no_sweeps")


def test_a_chain_runs_one_after_the_other(step):
    found = made(chain(step("a"), step("b"), step("c")), callbacks=())
    assert work() == ["a", "b", "c"]
    assert state(found) == "Completed"


def test_a_group_within_a_chain_waits_for_all_and_is_waited_for(step):
    found = made(chain(step("a"), group(step("b"), chain(step("c"), step("d"))), step("e")), callbacks=())
    names = members(found)
    parents = {key: set(get_job_status(name)["parents"]) for key, name in names.items()}
    expected = {"a": "", "b": "a", "c": "a", "d": "c", "e": "bd"}
    assert parents == {key: {names[parent] for parent in parents_of} for key, parents_of in expected.items()}
    order = work()
    assert (order[0], order[-1]) == ("a", "e")
    assert state(found) == "Completed"


def test_groups_that_follow_each_other_connect_all_with_all(step):
    found = made(chain(group(step("a"), step("b")), group(), group(step("c"), step("d"))), callbacks=())
    names = members(found)
    for key in "cd":
        assert get_job_status(names[key])["parents"] == sorted([names["a"], names["b"]])


def test_keys_and_other_jobs_may_be_depended_on_too(step):
    other = submitted_with("test_step", parameters={"plan": ["ok"], "key": "x"})
    found = made(step("b", depends_on=["a", other.name]), step("a"), callbacks=())
    names = members(found)
    assert get_job_status(names["b"])["parents"] == sorted([names["a"], other.name])


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (["job"], "must be a job, a chain or a group"),
        ([{"chain": "abc"}], "jobs must be a list"),
        ([{"chain": [], "group": []}], "must hold only its parts"),
        ([{"chain": [], "job_type": "test_step"}], "must hold only its parts"),
        ([{"job_type": "test_step", "organization": factory.BETA}], "of its organization"),
        ([{"job_type": "nowhere"}], "Unknown Job Type"),
        ([{"parameters": {}}], "job_type is missing"),
        ([{"job_type": "test_step", "after": [1]}], "after is unknown"),
        ([{"job_type": "test_step", "depends_on": "a", "key": "a"}], "wait for each other: a"),
        (
            [chain(job("test_step", key="a", depends_on="b"), job("test_step", {"n": 1}, key="b"))],
            "wait for each other",
        ),
        ([], "needs a job"),
        ("abc", "jobs must be a list"),
    ],
)
def test_what_can_t_be_is_refused_with_the_reason(step, parts, reason):
    with pytest.raises(InvalidJobError, match=reason):
        submit_batch(factory.ALPHA, parts)
    assert not frappe.db.count("Job Batch", {"organization": factory.ALPHA})


def test_nesting_and_connections_have_limits(step):
    deep = step("a")
    for _level in range(60):
        deep = group(deep)
    wide = group(*(job("test_step", {"n": n}) for n in range(400)))
    for parts, reason in (([deep], "a chain or a group"), ([chain(wide, wide)], "100000 dependencies")):
        with pytest.raises(InvalidJobError, match=reason):
            submit_batch(factory.ALPHA, parts)


@pytest.mark.parametrize(
    ("callback", "reason"),
    [
        ("told", "must be a job with only job_type"),
        ({"job_type": "test_told", "key": "a"}, "must be a job with only job_type"),
        ({"job_type": "nowhere"}, "Unknown Job Type"),
        ({"job_type": "test_told", "parameters": [1]}, "must be an object"),
        ({"job_type": "test_told", "organization": factory.BETA}, "of its organization"),
    ],
)
def test_a_callback_that_can_t_be_is_refused_at_submit(step, callback, reason):
    with pytest.raises(InvalidJobError, match=reason):
        submit_batch(factory.ALPHA, [step("a")], on_success=callback)


def test_a_callback_of_a_disabled_type_is_refused_at_submit(step):
    frappe.db.set_value("Job Type", "test_told", "is_enabled", 0)
    frappe.clear_document_cache("Job Type", "test_told")
    with pytest.raises(InvalidJobError, match="disabled"):
        made(step("a"))


def test_an_error_says_which_of_many_jobs_it_means(step):
    wrong = {"job_type": "no_such_type"}
    with pytest.raises(InvalidJobError, match=r"Job 2 \(no_such_type\): Unknown Job Type: no_such_type"):
        submit_batch(factory.ALPHA, [step("ok"), wrong])
    with pytest.raises(InvalidJobError, match=r"^Unknown Job Type"):
        submit_batch(factory.ALPHA, [wrong])


def test_a_batch_is_its_caller_s_transaction(step):
    for undo in (lambda: frappe.db.rollback(), lambda: frappe.db.rollback(save_point="before_batch")):
        frappe.db.savepoint("before_batch")
        batch(step("a"), step("b")).submit(factory.ALPHA)
        undo()
        frappe.db.commit()
        assert not frappe.db.count("Job Batch", {"organization": factory.ALPHA})
        assert not frappe.db.count("Background Job", {"job_type": "test_step"})


def test_one_bad_job_refuses_the_whole(step):
    once = factory.job_type("once", deduplication_window=300)
    with pytest.raises(DuplicateJobError):
        batch(step("a"), job(once), job(once)).submit(factory.ALPHA)
    assert not frappe.db.count("Job Batch", {"organization": factory.ALPHA})


def test_an_equal_job_that_exists_is_no_member(step):
    once = factory.job_type("once", deduplication_window=300)
    existing = submitted_with(once)
    found = made(chain(job(once, on_duplicate="return"), step("a")), callbacks=())
    assert get_batch_status(found.name)["size"] == 1
    assert get_job_status(members(found)["a"])["parents"] == [existing.name]


def test_members_know_their_batch(step):
    found = made(job("test_told", {"kind": "member"}, key="a"), callbacks=())
    run(members(found)["a"])
    assert get_job_status(members(found)["a"])["result"]["batch_id"] == found.name
