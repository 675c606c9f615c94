"""What a page about one job is told, and the numbers above the list: complete, and only to whom they belong."""

from __future__ import annotations

import frappe

from dartwing_core.jobs import get_job_counts, get_job_details, get_job_history, retry_job, submit_job
from tests.support import attempts, factory
from tests.support.jobs import run, set_columns, submitted, submitted_by, submitted_for
from tests.support.sessions import as_user, committed


def details_of(job, user: str) -> dict:
    return as_user(user, get_job_details, job.name)


def failed_job(owner: str):
    """A job of the owner whose first attempt has failed for good."""
    kind = factory.job_type("note", "add_note")
    job = submitted_by(owner, kind, title="test details", then="fail_for_good")
    run(job)
    return job


def test_a_failed_job_tells_its_attempts_and_parameters(alice):
    job = failed_job(alice)
    found = details_of(job, alice)
    assert found["parameters"] == {"title": "test details", "then": "fail_for_good"}
    assert [(row["attempt"], row["outcome"]) for row in found["attempts"]] == [(1, "Dead Letter")]
    attempt = found["attempts"][0]
    assert attempt["error_message"] == "asked to fail for good"
    assert attempt["duration"] is not None
    assert attempt["started_at"].endswith(found["created_at"][-6:]), "ISO 8601 with offset"
    assert [event["to_status"] for event in found["history"]] == ["Pending", "Queued", "Running", "Dead Letter"]


def test_tracebacks_are_for_administrators(alice, admin):
    job = failed_job(alice)
    assert details_of(job, alice)["attempts"][0]["traceback"] is None
    assert "asked to fail for good" in details_of(job, admin)["attempts"][0]["traceback"]
    for user, is_told in ((alice, False), (admin, True)):
        frappe.set_user(user)
        document = frappe.get_doc("Background Job Run", f"{job.name}-1")
        document.apply_fieldlevel_read_permissions()
        assert bool(document.as_dict().get("traceback")) is is_told, user
        assert document.error_message


def test_names_of_workers_are_for_system_managers(alice, admin):
    # They tell the host and the process.
    job = failed_job(alice)
    for user, is_told in ((alice, False), (admin, False), ("Administrator", True)):
        found = details_of(job, user)
        frappe.set_user(user)
        history = get_job_history(job.name)["history"]
        rows = [
            *found["attempts"],
            *(event for event in (*found["history"], *history) if event["to_status"] == "Running"),
        ]
        assert [bool(row["worker"]) for row in rows] == [is_told] * 3, user
        for doctype in ("Background Job Run", "Job Execution Log"):
            listed = frappe.get_list(doctype, {"background_job": job.name}, ["name", "worker"], limit=0)
            assert any(row.get("worker") for row in listed) == is_told, (user, doctype)
        document = frappe.get_doc("Background Job Run", f"{job.name}-1")
        document.apply_fieldlevel_read_permissions()
        assert bool(document.get("worker")) == is_told
    frappe.set_user("Administrator")


def test_what_may_be_done_is_a_matter_of_state_and_person(alice, admin):
    job = failed_job(alice)
    # Of parameters that somebody else has written a job makes use as its owner: not for admins.
    own, of_admin, of_manager = (details_of(job, user) for user in (alice, admin, "Administrator"))
    allowed = [(found["can_retry"], found["can_edit"], found["can_delete"]) for found in (own, of_admin, of_manager)]
    assert allowed == [(True, True, False), (True, False, False), (True, True, True)]
    waiting = submitted_by(alice, factory.job_type("plain"))
    found = details_of(waiting, "Administrator")
    assert (found["can_cancel"], found["can_retry"], found["can_delete"]) == (True, False, False)


def test_who_may_edit_the_parameters_is_told_their_schema(alice, admin):
    kind = factory.job_type("typed", f"{factory.TYPED}.by_arguments")
    job = submitted_by(alice, kind, customer="Acme", until="2026-01-31")
    assert details_of(job, alice)["schema"] is None, "it can't be edited now"
    set_columns(job, status="Dead Letter")
    assert details_of(job, alice)["schema"]["properties"]["language"]["enum"] == ["en", "de"]
    assert details_of(job, admin)["schema"] is None
    untyped = failed_job(alice)
    assert (details_of(untyped, alice)["can_edit"], details_of(untyped, alice)["schema"]) == (True, None)


def test_steps_stay_when_their_attempt_has_ended(alice):
    done = submitted_by(alice, factory.job_type("stepped", "stepped"))
    run(done)
    assert [step["state"] for step in details_of(done, alice)["steps"]] == ["done", "done"]
    failed = submitted_by(alice, factory.job_type("says", "says"), text="read", then="fail_for_good")
    run(failed)
    assert details_of(failed, alice)["steps"] == [
        {"name": "read", "state": "active"},
        {"name": "another", "state": "pending"},
    ]
    committed(retry_job, failed.name)
    assert details_of(failed, alice)["steps"] == []


def test_relatives_are_told_with_their_state(alice):
    kind = factory.job_type("plain")
    first, second = submitted(kind, n=1), submitted(kind, n=2)
    only = submit_job(kind, factory.ALPHA, {"n": 3}, depends_on=first.name)
    both = committed(submit_job, kind, factory.ALPHA, {"n": 4}, depends_on=[first.name, second.name])
    relatives = get_job_details(first.name)["relatives"]
    assert {child["job_id"] for child in relatives["children"]} == {only.name, both.name}
    assert {child["status"] for child in relatives["children"]} == {"Pending"}
    assert not relatives["has_more_children"]
    parents = get_job_details(both.name)["relatives"]["parents"]
    assert [(parent["job_id"], parent["job_type"]) for parent in parents] == [
        (first.name, kind),
        (second.name, kind),
    ]


def test_relatives_that_one_may_not_see_are_left_out_or_bare(alice):
    # Seen failing: with the children not asked through the viewer's condition.
    kind = factory.job_type("plain")
    anna = factory.user("anna", factory.ALPHA)
    job = submitted_by(alice, kind, n=1)
    child = committed(submit_job, kind, factory.ALPHA, {"n": 2}, depends_on=job.name)
    set_columns(child, owner_user=anna)
    assert details_of(job, alice)["relatives"]["children"] == []
    set_columns(child, owner_user=alice)
    set_columns(job, owner_user=anna)
    assert details_of(child, alice)["relatives"]["parents"] == [{"job_id": job.name, "job_type": None, "status": None}]


# The numbers above the list ------------------------------------------------------------------------------------------


def counts_of(user: str) -> dict:
    found = as_user(user, get_job_counts)
    return {name: value for name, value in found.items() if name not in ("today", "day_ago")}


def test_counts_are_those_of_the_jobs_that_one_may_see(alice, bob, admin):
    kind = factory.job_type("plain")
    submitted_by(alice, kind, n=1)
    attempts.taken(submitted_by(alice, kind, n=2).name, 1)
    frappe.db.commit()
    failed_job(alice)
    submitted_for(bob, factory.BETA, kind, n=3)
    counted = ("running", "waiting", "failed_today", "failed_in_24_hours", "dead_letter")
    mine = {**dict.fromkeys(counted, 1), "retrying": 0}
    assert counts_of(alice) == mine
    assert counts_of(admin) == mine
    assert counts_of(bob) == {**dict.fromkeys(mine, 0), "waiting": 1}
