"""Failed jobs and dead letters are retried and deleted by those who may, with parameters that are checked."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import (
    DuplicateJobError,
    InvalidJobError,
    InvalidTransitionError,
    JobNotFoundError,
    bulk_retry_dead_letter,
    delete_dead_letter_job,
    get_dead_letter_jobs,
    get_job_status,
    retry_job,
    submit_job,
)
from tests.support import factory
from tests.support.jobs import run, submitted, submitted_by
from tests.support.lifecycle import dead, made
from tests.support.sessions import committed
from tests.support.settings import settings

pytestmark = pytest.mark.usefixtures("no_sweeps")


def test_a_job_can_be_retried_with_other_parameters():
    job = dead("echo_job", text="old")
    committed(retry_job, job.name, parameters={"text": "new"})
    assert get_job_status(job.name)["completed_at"] is None, "it has not ended"
    assert run(job, 3)["result"] == {"echo": {"text": "new"}}


@pytest.mark.parametrize("parameters", [[1], {"x": b"y"}, {"x": "y" * 200}])
def test_parameters_of_a_retry_are_checked_like_new_ones(parameters):
    job = dead("echo_job")
    with settings(max_parameter_bytes=100), pytest.raises(InvalidJobError):
        retry_job(job.name, parameters=parameters)
    assert get_job_status(job.name)["status"] == "Dead Letter"


@pytest.mark.parametrize("status", ["Pending", "Queued", "Running", "Completed", "Canceled"])
def test_only_failed_jobs_are_retried(status):
    job = submitted("echo_job")
    frappe.db.set_value("Background Job", job.name, "status", status)
    with pytest.raises(InvalidTransitionError):
        retry_job(job.name)


def test_dead_letters_are_listed_and_retried_in_bulk_the_oldest_first_and_only_within_reach(alice):
    mine = [dead("echo_job", n=number).name for number in range(3)]
    theirs = submit_job("echo_job", factory.BETA)
    frappe.db.set_value("Background Job", theirs.name, {"status": "Dead Letter", "attempt": 1})
    committed(frappe.db.sql, "UPDATE `tabBackground Job` SET owner_user = %s WHERE name IN %s", (alice, mine))
    frappe.set_user(alice)
    assert {job["job_id"] for job in get_dead_letter_jobs()} == set(mine)
    assert bulk_retry_dead_letter(organization=factory.BETA)["retried"] == []
    assert bulk_retry_dead_letter(limit=2)["retried"] == mine[:2]
    with pytest.raises(JobNotFoundError):
        retry_job(theirs.name)


def test_only_managers_delete_dead_letters(alice):
    job_type = made("nothing")
    frappe.set_user(alice)
    job = submit_job(job_type, factory.ALPHA)
    # Seen failing: "Job … is Queued, not Dead Letter.", and a PermissionError without a text for a dead letter.
    with pytest.raises(frappe.PermissionError, match="Only a System Manager may delete jobs"):
        delete_dead_letter_job(job.name)
    frappe.set_user("Administrator")
    with pytest.raises(InvalidTransitionError, match="is Queued, not Failed"):
        delete_dead_letter_job(job.name)


def test_only_the_owner_changes_the_parameters_of_a_job(alice, admin):
    # The handler runs as the owner: an admin's parameters would borrow the owner's permissions.
    job_type = made("nothing", deduplication_window=300)
    foreign = submit_job(job_type, factory.ALPHA, {"v": 1}, dedup_key="k", available_at=3600)
    failed = dead("echo_job")
    frappe.db.commit()
    frappe.set_user(admin)
    with pytest.raises(frappe.PermissionError, match="Only the owner"):
        retry_job(failed.name, parameters={"text": "mine"})
    with pytest.raises(DuplicateJobError):
        submit_job(job_type, factory.ALPHA, {"v": 2}, dedup_key="k", on_duplicate="replace")
    assert retry_job(failed.name).status == "Pending"
    assert foreign.owner_user == "Administrator"


def test_a_system_manager_may_change_the_parameters_of_a_job_which_still_runs_as_its_owner(alice):
    job = submitted_by(alice, made("raises"), what="validation")
    assert run(job)["status"] == "Dead Letter"
    frappe.set_user(factory.user("mia", roles=("System Manager",)))
    retried = committed(retry_job, job.name, parameters={"what": "connection"})
    frappe.set_user("Administrator")
    assert (run(job, 2)["status"], retried.owner_user) == ("Failed", alice)
