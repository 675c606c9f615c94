"""Jobs with several parents: when they run, what ends them, and what is refused."""

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
from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.ending import child_jobs
from dartwing_core.jobs.recovery import sweeper
from dartwing_core.jobs.store import dependencies as job_parents
from dartwing_core.jobs.store import job_store
from tests.support import database, factory, population, processes
from tests.support.jobs import entries, set_columns, status, submitted, submitted_with

BAD_ENDS = ("Canceled", "Dead Letter", "gone")


@pytest.fixture
def job_type(monkeypatch) -> str:
    monkeypatch.setattr(sweeper, "sweep_now_and_then", lambda: None)  # the straight way has to do
    monkeypatch.setattr(sweeper, "sweep_after_submit", lambda: None)
    name = factory.job_type("plain", "scripted", max_retries=3)
    frappe.db.commit()
    return name


def parents_of(job_type: str, number: int, *plan: str) -> list:
    return [submitted(job_type, n=n, plan=plan or ("ok",)) for n in range(number)]


def child_of(job_type: str, parents: list, **arguments):
    return submitted_with(
        job_type, parameters={"plan": ["ok"]}, depends_on=[parent.name for parent in parents], **arguments
    )


def end_badly(parent, how: str) -> None:
    if how == "Canceled":
        cancel_job(parent.name)
        frappe.db.commit()
    elif how == "Dead Letter":
        executor.execute_job(parent.name, 1)
        assert status(parent) == "Dead Letter"
    else:
        frappe.db.sql("DELETE FROM `tabBackground Job` WHERE name = %s", (parent.name,))
        frappe.db.commit()
        sweeper.sweep()


# Seen failing: with ascending names as `next_parent`, and without `backlog.children` in `child_jobs._release_over`.
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_child_runs_when_the_last_of_its_parents_has_completed(job_type, order):
    parents = parents_of(job_type, 3)
    child = child_of(job_type, parents)
    for position in order:
        assert status(child) == "Pending"
        processes.queue_client().flushdb()
        executor.execute_job(parents[position].name, 1)
    assert status(child) == "Queued"
    assert [entry for entry in entries() if child.name[4:] in entry] == [f"{child.name[4:]}-1"]


def test_a_child_of_completed_parents_waits_for_none(job_type):
    parents = parents_of(job_type, 2)
    for parent in parents:
        executor.execute_job(parent.name, 1)
    assert status(child_of(job_type, parents)) == "Queued"


def test_a_missed_release_is_found_by_sweeps(job_type):
    parents = parents_of(job_type, 3)
    child = child_of(job_type, parents)
    for parent in parents:
        set_columns(parent, status="Completed")
    sweeper.sweep()
    assert status(child) == "Queued"


@pytest.mark.parametrize(("policy", "expected"), [("cancel", "Canceled"), ("dead_letter", "Dead Letter")])
@pytest.mark.parametrize("how", ["Canceled", "Dead Letter"])
@pytest.mark.parametrize("position", [0, 2])
def test_a_child_ends_with_the_first_parent_that_failed_and_says_why(job_type, policy, expected, how, position):
    # Position 0 is not the one it waits for at the moment. Seen failing without `_end_others`.
    parents = parents_of(job_type, 3, "dead")
    child = child_of(job_type, parents, on_parent_failure=policy)
    end_badly(parents[position], how)
    after = get_job_status(child.name)
    assert after["status"] == expected
    assert after["error_message"] == f"The job it depends on, {parents[position].name}, is {how}"


@pytest.mark.parametrize("how", BAD_ENDS)
@pytest.mark.parametrize("position", [0, 1])
def test_a_child_that_does_not_mind_runs_all_the_same(job_type, how, position):
    parents = parents_of(job_type, 2, "dead")
    child = child_of(job_type, parents, on_parent_failure="run")
    end_badly(parents[position], how)
    assert status(child) == "Pending", "it waits for the other one"
    set_columns(parents[1 - position], status="Completed")
    child_jobs.release_children([parents[1 - position].name])
    assert status(child) == "Queued"


def test_only_who_does_not_mind_may_depend_on_a_job_that_failed(job_type):
    dead, live = submitted(job_type, plan=["dead"]), submitted(job_type, plan=["ok"])
    executor.execute_job(dead.name, 1)
    for policy in ("cancel", "dead_letter"):
        with pytest.raises(InvalidJobError, match="is Dead Letter and will not complete"):
            submit_job(job_type, factory.ALPHA, depends_on=[live.name, dead.name], on_parent_failure=policy)
    assert status(child_of(job_type, [dead], on_parent_failure="run")) == "Queued"


def test_ends_are_handed_down_each_child_by_its_own_policy(job_type):
    (top,) = parents_of(job_type, 1)
    canceled = child_of(job_type, [top], on_parent_failure="cancel")
    dead = child_of(job_type, [canceled], on_parent_failure="dead_letter")
    runs = child_of(job_type, [canceled, dead], on_parent_failure="run")
    end_badly(top, "Canceled")
    assert [status(job) for job in (canceled, dead, runs)] == ["Canceled", "Dead Letter", "Queued"]


def test_a_child_waits_while_a_parent_awaits_its_retry(job_type):
    parents = parents_of(job_type, 2, "fail", "ok")
    child = child_of(job_type, parents)
    for parent in parents:
        executor.execute_job(parent.name, 1)
    sweeper.sweep()
    assert status(child) == "Pending"


def test_a_retried_child_waits_for_all_its_parents_again(job_type):
    # Seen failing with the failed parent written into `waits_for` by `_end_others`.
    parents = parents_of(job_type, 3, "ok")
    child = child_of(job_type, parents)
    set_columns(parents[0], status="Dead Letter")
    child_jobs.release_children([parents[0].name])
    assert status(child) == "Dead Letter"
    retry_job(parents[0].name)
    retry_job(child.name)
    frappe.db.commit()
    for parent in parents:
        assert status(child) == "Pending"
        sweeper.sweep()
        executor.execute_job(parent.name, 1)
    assert status(child) == "Queued"


def test_a_child_retried_in_vain_ends_again_at_once(job_type):
    parents = parents_of(job_type, 2)
    child = child_of(job_type, parents)
    for _time in range(2):
        end_badly(parents[1], "Canceled") if status(parents[1]) != "Canceled" else None
        assert status(child) == "Dead Letter"
        retry_job(child.name)
        frappe.db.commit()
    assert status(child) == "Dead Letter"


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


def test_a_parent_that_completes_while_its_child_is_submitted_lets_it_go(job_type):
    # Seen failing without `AfterCommit.release_children_of`: only a sweep would find it.
    (parent,) = parents_of(job_type, 1)
    child = submit_job(job_type, factory.ALPHA, {"plan": ["ok"]}, depends_on=parent.name)
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("UPDATE `tabBackground Job` SET status = 'Completed' WHERE name = %s", (parent.name,))
    frappe.db.commit()
    assert status(child) == "Queued"


def test_a_parent_that_ends_while_its_child_goes_on_to_it_lets_it_go(job_type, monkeypatch):
    # Between the reading of the parents and the commit. Seen failing when `release_children` does not go round again.
    parents = parents_of(job_type, 2)
    child = child_of(job_type, parents)
    wait_on = child_jobs.waiting.wait_on

    def meanwhile(*arguments):
        with database.another_connection() as other, other.cursor() as cursor:
            cursor.execute("UPDATE `tabBackground Job` SET status = 'Completed' WHERE name = %s", (parents[0].name,))
        return wait_on(*arguments)

    monkeypatch.setattr(child_jobs.waiting, "wait_on", meanwhile)
    executor.execute_job(parents[1].name, 1)
    assert status(child) == "Queued"


def test_a_thousand_parents_cost_each_settle_next_to_nothing(job_type, monkeypatch):
    names = [job.name for job in submit_jobs([_request(job_type, n=n) for n in range(1_000)])]
    frappe.db.commit()
    child = submitted_with(job_type, parameters={"plan": ["ok"]}, depends_on=names)
    frappe.db.sql("UPDATE `tabBackground Job` SET status = 'Completed' WHERE name IN %s", (names[1:-1],))
    frappe.db.commit()
    for name in (names[0], names[-1]):
        frappe.db.set_value("Background Job", name, "status", "Completed")
        frappe.db.commit()
        with database.statements() as asked:
            child_jobs.release_children([name])
        assert len(asked) <= 7, asked
    frappe.db.rollback()
    assert frappe.db.get_value("Background Job", child.name, "in_line") == 1


def test_children_that_go_on_to_parents_of_their_own_do_so_in_one_statement(job_type, monkeypatch):
    # Seen failing with one UPDATE for each next parent.
    own = [_request(job_type, n=n, key=f"own {n}") for n in range(20)]
    children = [_request(job_type, n=-n - 1, depends_on=["common", f"own {n}"]) for n in range(20)]
    jobs = submit_jobs([*own, _request(job_type, key="common"), *children])
    frappe.db.commit()
    set_columns(jobs[20], status="Completed")
    with database.statements() as asked:
        child_jobs.release_children([jobs[20].name])
    assert len(asked) <= 8, asked
    waits_for = dict(frappe.get_all("Background Job", {"job_type": job_type}, ["name", "waits_for"], as_list=True))
    assert [waits_for[child.name] for child in jobs[21:]] == [parent.name for parent in jobs[:20]]


def test_children_that_end_and_have_none_of_their_own_cost_no_statement_each(job_type):
    # Seen failing when each of them is asked for its children.
    parent = submitted(job_type, plan=["dead"])
    requests = [_request(job_type, n=n, depends_on=parent.name, on_parent_failure="cancel") for n in range(30)]
    child = submit_jobs(requests)[0]
    submit_job(job_type, factory.ALPHA, {"last": 1}, depends_on=child.name, on_parent_failure="cancel")
    frappe.db.commit()
    set_columns(parent, status="Dead Letter")
    with database.statements() as asked:
        assert len(child_jobs.release_children([parent.name]).ended) == 31
    assert len(asked) <= 25, asked


@pytest.mark.parametrize("waited_for", [1, 0])
def test_all_jobs_that_depend_on_one_that_failed_end_straight_away(job_type, monkeypatch, waited_for):
    # Seen failing with as many as one transaction takes: an idle site took an hour for 10,000, sweep by sweep.
    monkeypatch.setattr(child_jobs, "AT_ONCE", 2)
    parents = parents_of(job_type, 2, "dead")
    for number in range(5):
        submit_job(job_type, factory.ALPHA, {"child": number}, depends_on=[parent.name for parent in parents])
    frappe.db.commit()
    executor.execute_job(parents[waited_for].name, 1)
    frappe.db.rollback()
    assert frappe.db.count("Background Job", {"job_type": job_type, "status": "Dead Letter"}) == 6


# What is submitted together ---------------------------------------------------------------------------------------


def _request(job_type: str, organization: str = factory.ALPHA, **arguments) -> dict:
    more = {name: arguments.pop(name) for name in ("key", "depends_on", "on_parent_failure") if name in arguments}
    parameters = {"plan": ["ok"], **arguments}
    return {"job_type": job_type, "organization": organization, "parameters": parameters, **more}


def test_jobs_submitted_together_name_each_other_by_keys(job_type):
    last, first, second = submit_jobs(
        [
            _request(job_type, key="last", depends_on=["first", "second"]),
            _request(job_type, key="first", n=1),
            _request(job_type, key="second", n=2, depends_on="first"),
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


def test_jobs_of_one_transaction_may_depend_on_each_other(job_type):
    first = submit_job(job_type, factory.ALPHA, {"plan": ["ok"], "n": 1})
    second = submit_job(job_type, factory.ALPHA, {"plan": ["ok"], "n": 2}, depends_on=[first.name])
    frappe.db.commit()
    executor.execute_job(first.name, 1)
    assert status(second) == "Queued"


@pytest.mark.parametrize(
    ("jobs", "reason"),
    [
        ([{"key": "a", "depends_on": "a"}], "can't depend on itself \\(a\\)"),
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
        submit_jobs([_request(job_type, **job, n=number) for number, job in enumerate(jobs)])
    frappe.db.commit()
    assert not frappe.db.count("Background Job", {"job_type": job_type})


def test_a_job_merged_with_its_own_child_is_refused(job_type):
    plain = factory.job_type("once", deduplication_window=300)
    twin = {**_request(plain), "on_duplicate": "return"}
    with pytest.raises(InvalidJobError, match="itself"):
        submit_jobs([{**twin, "key": "a"}, {**twin, "depends_on": "a"}])


def test_an_equal_job_that_exists_already_is_waited_for(job_type):
    once = factory.job_type("once", "scripted", deduplication_window=300)
    existing = submitted(once, plan=["ok"])
    twin = {**_request(once), "on_duplicate": "return", "key": "twin"}
    same, child = submit_jobs([twin, _request(job_type, depends_on="twin")])
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


# Results ----------------------------------------------------------------------------------------------------------


def results_of(child) -> dict:
    executor.execute_job(child.name, 1)
    found = get_job_status(child.name)
    assert found["status"] == "Completed", found
    return found["result"]


def test_a_handler_finds_the_results_of_completed_parents(job_type):
    gather, returns = factory.job_type("gather", "gather"), factory.job_type("gives", "gives")
    one, two, dead, child = submit_jobs(
        [
            _request(returns, key="one", value=1),
            _request(returns, key="two", value={"a": [2]}),
            _request(job_type, plan=["dead"]),
            _request(gather, depends_on=["one", "two"], keys=["two"], on_parent_failure="run"),
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
        query = job_parents.results_query(job_store.load(child.name), visibility.viewer())
        assert len(query.run()) == number
        assert database.rows_read(query) <= 20


def test_results_are_found_by_id_and_key_however_they_are_asked_for():
    # Seen failing (None) with `dict.get`, which asks for no missing keys.
    results = job_parents.Results({"JOB-1": {"rows": 3}}, {"orders": "JOB-1"})
    assert results["orders"] == results.get("orders") == results.get("JOB-1") == {"rows": 3}
    assert ("orders" in results, "JOB-1" in results, "other" in results) == (True, True, False)
    assert (results.get("other"), results.get("other", 5), list(results)) == (None, 5, ["JOB-1"])
