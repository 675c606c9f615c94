"""What becomes of all that belongs to an organization that is deleted."""

from __future__ import annotations

from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs import job, submit_batch, submit_job
from dartwing_core.jobs.job import find
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.sweep import organization_removal, retention, sweeper
from tests.support import attempts, circuits, factory, files, named, schedules
from tests.support.circuits import Times
from tests.support.jobs import run, submit_many
from tests.support.sessions import committed

NAME = "Test Doomed"
MINUTE, HOUR = 1.1, 61
KEPT_APART = ("Background Job", "Job Batch", "Job Schedule", "Job Circuit", "Org Member")


@pytest.fixture
def doomed():
    with named.organization(NAME) as made:
        yield made


@pytest.fixture
def times(monkeypatch, no_sweeps) -> Times:
    return Times(monkeypatch)


def delete(organization: str) -> None:
    committed(frappe.delete_doc, "Organization", organization)


def left(organization: str) -> dict[str, int]:
    frappe.db.rollback()
    found = {doctype: frappe.db.count(doctype, {"organization": organization}) for doctype in KEPT_APART}
    return {doctype: number for doctype, number in found.items() if number}


def state(organization: str):
    frappe.db.rollback()
    return frappe.db.get_value(
        config.REMOVAL, organization, ["status", "removed_jobs", "organization_name"], as_dict=True
    )


def status_of(made) -> tuple:
    frappe.db.rollback()
    return frappe.db.get_value("Background Job", made.name, ["status", "error_message"])


def with_file(made) -> Path:
    files.given(made)
    frappe.get_doc(
        {
            "doctype": "Comment",
            "reference_doctype": "Background Job",
            "reference_name": made.name,
            "content": "x",
            "comment_type": "Comment",
        }
    ).insert(ignore_permissions=True)
    frappe.db.commit()
    return files.on_disk(made)[0]


def test_all_that_belongs_to_it_is_ended_and_removed(doomed, alice, times, frappes_jobs_at_once):
    # Seen failing while a deletion took schedules and circuits alone, and members forbade it.
    breaking = circuits.breaking_type()
    factory.member(alice, doomed)
    schedules.made(breaking, organization=doomed, parameters={"plan": ["ok"]})
    failed = [submit_job(breaking, doomed, {"plan": ["fail"], "n": n}) for n in range(circuits.SAMPLES)]
    frappe.db.commit()
    for made in failed:
        run(made)
    plain = factory.job_type("plain")
    parent, other = submit_many(plain, 2, doomed)
    child = submit_job(plain, doomed, {"n": 3}, depends_on=parent.name)
    committed(submit_batch, doomed, [job(plain, {"n": 4})], on_failure=job(plain))
    assert run(other)["status"] == "Completed"
    file = with_file(other)
    elsewhere = committed(submit_job, plain, factory.ALPHA)
    frappe.clear_messages()
    delete(doomed)
    told = " ".join(str(message) for message in frappe.get_message_log())
    assert "All data of" in told
    assert set(left(doomed)) == {"Background Job"}
    for made in (*failed, parent, child):
        assert status_of(made) == ("Dead Letter", "Organization not found")
    assert file.exists()
    times.pass_by(MINUTE)
    assert sweeper.sweep().removed == 6
    assert left(doomed) == {}
    for doctype in ("Job Execution Log", "Background Job Run", "Background Job Dependency"):
        assert not frappe.db.exists(doctype, {"background_job": ["in", [parent.name, child.name, other.name]]})
    assert not frappe.db.exists("Comment", {"reference_name": other.name})
    assert not file.exists()
    assert status_of(elsewhere)[0] in ("Pending", "Queued"), "others keep theirs"
    assert state(doomed) == {"status": "Running", "removed_jobs": 6, "organization_name": NAME}
    times.pass_by(HOUR)
    sweeper.sweep()
    assert state(doomed).status == "Completed"


def test_what_runs_is_asked_to_stop_once_and_removed_when_it_has(doomed, job_type, times):
    made = submit_many(job_type, 1, doomed)[0]
    attempts.taken(made.name, 1)
    delete(doomed)
    requests = []
    for _sweep in range(2):
        sweeper.sweep()
        frappe.db.rollback()
        requests.append(
            frappe.db.get_value(
                "Background Job Run",
                f"{made.name}-1",
                ["cancel_requested", "cancel_requested_epoch", "sealed_cancel_reason"],
            )
        )
    assert requests[0][0] == 1
    assert requests[0] == requests[1], "asked again, the grace period would begin anew"
    times.pass_by(MINUTE)
    assert sweeper.sweep().removed == 0
    committed(frappe.db.sql, "UPDATE `tabBackground Job` SET status = 'Canceled' WHERE name = %s", made.name)
    assert sweeper.sweep().removed == 1
    assert left(doomed) == {}


def test_it_goes_on_where_somebody_broke_off(doomed, job_type, times, monkeypatch):
    # Broken by leaving the removal to the request that deletes the organization.
    monkeypatch.setattr(organization_removal, "AT_ONCE", 2)
    monkeypatch.setattr(organization_removal, "SECONDS", 60)
    submit_many(job_type, 7, doomed)
    delete(doomed)
    times.pass_by(MINUTE)
    really, calls = retention.delete_jobs, []

    def dies_in_the_third(jobs):
        calls.append(len(jobs))
        if len(calls) == 3:
            raise RuntimeError("killed")
        really(jobs)

    monkeypatch.setattr(retention, "delete_jobs", dies_in_the_third)
    sweeper.sweep()
    assert (left(doomed), state(doomed).removed_jobs) == ({"Background Job": 3}, 4)
    assert sweeper.sweep().removed == 3
    assert (left(doomed), state(doomed).removed_jobs) == ({}, 7)


def test_what_somebody_submits_who_does_not_know_yet_goes_too(doomed, job_type, times):
    delete(doomed)
    times.pass_by(MINUTE)
    sweeper.sweep()
    late = find.load(submit_job(job_type, factory.ALPHA).name, *find.light_fields(), "input_parameters")
    committed(frappe.db.sql, "UPDATE `tabBackground Job` SET organization = %s WHERE name = %s", (doomed, late["name"]))
    times.pass_by(HOUR)
    assert sweeper.sweep().removed == 1
    sweeper.sweep()
    assert state(doomed).status == "Completed"


def test_no_callback_of_a_batch_is_made(doomed, job_type, times):
    submit_batch(doomed, [job(job_type)], on_failure=job(job_type, {"n": 1}), on_complete=job(job_type, {"n": 2}))
    frappe.db.commit()
    delete(doomed)
    sweeper.sweep()
    assert left(doomed) == {"Background Job": 1}


def test_a_deletion_that_frappe_refuses_removes_nothing_whatever_becomes_of_the_transaction(
    doomed, job_type, times, monkeypatch
):
    # Seen failing: the jobs ended, and the schedules were gone, of an organization that was there.
    def refuse(*_arguments):
        raise frappe.LinkExistsError

    submit_many(job_type, 3, doomed)
    schedules.made(job_type, organization=doomed, cron="0 0 1 1 *")  # it is not due in the minute that passes
    monkeypatch.setattr(frappe.get_module("frappe.model.delete_doc"), "check_if_doc_is_linked", refuse)
    with pytest.raises(frappe.LinkExistsError):
        frappe.delete_doc("Organization", doomed)
    frappe.db.commit()
    times.pass_by(MINUTE)
    assert sweeper.sweep().removed == 0
    assert left(doomed) == {"Background Job": 3, "Job Schedule": 1}
    assert set(frappe.get_all("Background Job", {"organization": doomed}, pluck="status")) == {"Queued"}
