"""A child runs when the last of its parents has completed, at little cost."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import executor, retry_job, submit_job, submit_jobs
from dartwing_core.jobs.after import child_jobs
from dartwing_core.jobs.sweep import sweeper
from tests.support import database, factory, processes
from tests.support.jobs import entries, set_columns, status, submitted_with
from tests.support.parents import child_of, parents_of, request_of


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
    lock_waiting = child_jobs.find.lock_waiting

    def meanwhile(*arguments):
        with database.another_connection() as other, other.cursor() as cursor:
            cursor.execute("UPDATE `tabBackground Job` SET status = 'Completed' WHERE name = %s", (parents[0].name,))
        return lock_waiting(*arguments)

    monkeypatch.setattr(child_jobs.find, "lock_waiting", meanwhile)
    executor.execute_job(parents[1].name, 1)
    assert status(child) == "Queued"


def test_a_thousand_parents_cost_each_settle_next_to_nothing(job_type, monkeypatch):
    names = [job.name for job in submit_jobs([request_of(job_type, n=n) for n in range(1_000)])]
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
    own = [request_of(job_type, n=n, key=f"own {n}") for n in range(20)]
    children = [request_of(job_type, n=-n - 1, depends_on=["common", f"own {n}"]) for n in range(20)]
    jobs = submit_jobs([*own, request_of(job_type, key="common"), *children])
    frappe.db.commit()
    set_columns(jobs[20], status="Completed")
    with database.statements() as asked:
        child_jobs.release_children([jobs[20].name])
    assert len(asked) <= 8, asked
    waits_for = dict(frappe.get_all("Background Job", {"job_type": job_type}, ["name", "waits_for"], as_list=True))
    assert [waits_for[child.name] for child in jobs[21:]] == [parent.name for parent in jobs[:20]]
