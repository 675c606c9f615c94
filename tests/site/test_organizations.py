"""What becomes of jobs and of who sees them when memberships, organizations and Job Types change (regressions 4, 5)."""

from __future__ import annotations

from types import SimpleNamespace

import frappe
import pytest

from dartwing_core.jobs import (
    InvalidJobError,
    cancel_job,
    executor,
    get_job_history,
    get_job_status,
    list_jobs,
    retry_job,
    submit_job,
)
from dartwing_core.jobs.access import visibility
from tests.support import contents, factory, files, handlers
from tests.support.jobs import run, submitted, submitted_by, submitted_with
from tests.support.sessions import as_user, committed

JOB, RUN, LOG = "Background Job", "Background Job Run", "Job Execution Log"


pytestmark = pytest.mark.usefixtures("no_sweeps")


def become(state: str) -> None:
    frappe.set_user("Administrator")
    document = frappe.get_doc("Organization", factory.ALPHA)
    document.status = state
    committed(document.save)


def test_results_are_hidden_while_the_organization_is_suspended(alice, admin):
    job = submitted_by(alice, factory.job_type("store"), kept="secret")
    contents.store(job.name, {"status": "Completed", "result": '{"a": 1}', "output_reference": "secret"})
    executor.execute_job(job.name, 1)
    files.given(job)
    frappe.db.commit()
    for state, is_hidden in (("Suspended", True), ("Inactive", True), ("Dissolved", True), ("Active", False)):
        become(state)
        for user in (alice, admin):
            frappe.set_user(user)
            status = get_job_status(job.name)
            assert status["status"] == "Completed", "that it is done is no secret"
            assert (status["result"], status["output_reference"]) == (
                (None, None) if is_hidden else ({"a": 1}, "secret")
            )
            listed = next(one for one in list_jobs(limit=100)["jobs"] if one["job_id"] == job.name)
            assert listed["output_reference"] == (None if is_hidden else "secret")
            assert files.is_readable(job) is not is_hidden, (state, user)
        frappe.set_user(factory.user("max", roles=("System Manager",)))
        assert get_job_status(job.name)["result"] == {"a": 1}
        frappe.set_user("Administrator")


def test_a_running_job_finishes_while_its_organization_is_suspended(alice, monkeypatch):
    job = submitted_by(alice, factory.job_type("who", "whoami"))
    whoami = handlers.whoami

    def suspend_meanwhile(context):
        result = whoami(context)
        frappe.db.sql("UPDATE `tabOrganization` SET status = 'Suspended' WHERE name = %s", (factory.ALPHA,))
        return result

    monkeypatch.setattr(handlers, "whoami", handlers.job_handler(suspend_meanwhile))
    run(job)
    frappe.set_user(alice)
    status = get_job_status(job.name)
    assert (status["status"], status["result"]) == ("Completed", None)
    become("Active")
    frappe.set_user(alice)
    assert get_job_status(job.name)["result"]["user"] == alice


def test_jobs_of_a_suspended_organization_can_be_canceled(alice):
    job = submitted_by(alice, factory.job_type("plain"))
    become("Suspended")
    frappe.set_user(alice)
    cancel_job(job.name)
    assert get_job_status(job.name)["status"] == "Canceled"
    with pytest.raises(InvalidJobError, match="suspended"):
        submit_job("test_plain", factory.ALPHA, {"n": 2})


def test_jobs_of_a_dissolved_organization_fail_for_good(alice):
    job = submitted_by(alice, factory.job_type("plain"))
    become("Dissolved")
    status = run(job)
    assert (status["status"], status["error_type"]) == ("Dead Letter", "Permanent")
    assert status["error_message"] == "The organization is dissolved."


def test_a_job_that_an_admin_retries_runs_as_its_owner(alice, admin):
    job = submitted_by(alice, factory.job_type("who", "whoami"))
    committed(frappe.db.set_value, JOB, job.name, {"status": "Dead Letter", "attempt": 1})
    as_user(admin, committed, retry_job, job.name)
    assert run(job, 2)["result"]["user"] == alice
    assert get_job_history(job.name)["history"][-3]["actor"] == admin


def test_a_dependent_runs_as_its_own_owner(alice, admin):
    job_type = factory.job_type("who", "whoami")
    parent = submitted_by(alice, job_type)
    child = as_user(admin, submitted_with, job_type, depends_on=parent.name)
    assert run(parent)["result"]["user"] == alice
    assert run(child)["result"]["user"] == admin


@pytest.mark.parametrize(
    "values",
    [
        {"status": "Inactive"},
        {"status": "Pending"},
        {"start_date": "2999-01-01"},
        {"end_date": "2020-01-01"},
    ],
)
def test_a_membership_that_is_not_current_opens_nothing(values):
    name = "m" + frappe.generate_hash(length=8)
    user = factory.user(name)
    factory.member(user, factory.ALPHA, "Admin", end_date="2999-01-01")
    job = submitted(factory.job_type("plain"))
    frappe.db.set_value(JOB, job.name, "owner_user", user)
    assert as_user(user, list_jobs)["total"] == 1, "while it lasts"
    frappe.get_doc("Org Member", {"user": user}).update(values).save()
    frappe.set_user(user)
    assert list_jobs()["total"] == 0
    assert frappe.get_list("Organization") == []
    with pytest.raises(frappe.PermissionError):
        submit_job("test_plain", factory.ALPHA, {"n": 3})


def test_a_disabled_user_sees_nothing_not_even_a_system_manager():
    user = factory.user("disabled_manager", factory.ALPHA, roles=("System Manager", "Dartwing User"), org_role="Admin")
    job = submitted(factory.job_type("plain"))
    for enabled in (1, 0):
        frappe.db.set_value("User", user, "enabled", enabled)
        assert visibility.can_see(user, "Administrator", factory.ALPHA) is bool(enabled)
        assert visibility.viewer(user).sees_everything is bool(enabled)
        listed = frappe.get_list(JOB, filters={"name": job.name}, user=user)
        assert bool(listed) is bool(enabled)


def test_a_change_of_members_counts_in_the_same_request(alice):
    frappe.local.request = SimpleNamespace(path="/")
    visibility.forget()  # a real request has a `frappe.local` of its own
    try:
        assert visibility.viewer(alice).reach.members == [factory.ALPHA]
        factory.member(alice, factory.BETA)
        assert set(visibility.viewer(alice).reach.members) == {factory.ALPHA, factory.BETA}
        become("Suspended")
        assert visibility.viewer(alice).reach.not_active == [factory.ALPHA]
    finally:
        del frappe.local.request
        frappe.db.rollback()
        committed(frappe.db.delete, "Org Member", {"user": alice, "organization": factory.BETA})
