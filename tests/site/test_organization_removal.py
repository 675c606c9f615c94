"""What becomes of all that belongs to an organization that is deleted."""

from __future__ import annotations

from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs import job, list_jobs, submit_batch, submit_job, submit_jobs
from dartwing_core.jobs.job import find
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.sweep import organization_removal, retention, sweeper
from tests.support import attempts, circuits, database, factory, files, named, schedules
from tests.support.circuits import Times
from tests.support.jobs import run

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


@pytest.fixture
def job_type() -> str:
    made = factory.job_type("plain")
    frappe.db.commit()
    return made


def jobs_of(organization: str, job_type: str, number: int = 3) -> list:
    made = submit_jobs(
        {"job_type": job_type, "organization": organization, "parameters": {"n": n}} for n in range(number)
    )
    frappe.db.commit()
    return made


def delete(organization: str) -> None:
    frappe.delete_doc("Organization", organization)
    frappe.db.commit()


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


REFERRING = {
    "File": "attached_to_name",
    "Comment": "reference_name",
    "ToDo": "reference_name",
    "Document Follow": "ref_docname",
    "Tag Link": "document_name",
}
"""What may hang on a document, and the field with its name."""


def hung_on(doctype: str, filters: dict) -> str:
    """The name of a document on which everything in REFERRING hangs now."""
    name = frappe.get_all(doctype, filters=filters, pluck="name")[0]
    about = {"reference_doctype": doctype, "reference_name": name}
    rows = [
        {"doctype": "Comment", "comment_type": "Comment", "content": "x", **about},
        {"doctype": "ToDo", "reference_type": doctype, "reference_name": name, "description": "x"},
        {"doctype": "Document Follow", "ref_doctype": doctype, "ref_docname": name, "user": "Administrator"},
        {"doctype": "Tag Link", "document_type": doctype, "document_name": name, "tag": None},
    ]
    for row in rows:
        frappe.get_doc(row).insert(ignore_permissions=True, ignore_links=True, ignore_mandatory=True)
    file = {"doctype": "File", "file_name": "x.txt", "content": name, "is_private": 1}
    frappe.get_doc({**file, "attached_to_doctype": doctype, "attached_to_name": name}).insert(ignore_permissions=True)
    frappe.db.commit()
    return name


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
    frappe.db.commit()
    parent, other = jobs_of(doomed, plain, 2)
    child = submit_job(plain, doomed, {"n": 3}, depends_on=parent.name)
    submit_batch(doomed, [job(plain, {"n": 4})], on_failure=job(plain))
    frappe.db.commit()
    assert run(other)["status"] == "Completed"
    file = with_file(other)
    hanging = [hung_on("Job Schedule", {"organization": doomed}), hung_on("Org Member", {"organization": doomed})]
    elsewhere = submit_job(plain, factory.ALPHA)
    frappe.db.commit()
    frappe.clear_messages()
    delete(doomed)
    told = " ".join(str(message) for message in frappe.get_message_log())
    assert "All data of" in told
    assert set(left(doomed)) == {"Background Job"}
    for made in (*failed, parent, child):
        assert status_of(made) == ("Dead Letter", "Organization not found")
    assert file.exists()
    # Seen failing: files and comments of schedules and members stayed for good.
    assert [doctype for doctype in REFERRING if frappe.db.exists(doctype, {REFERRING[doctype]: ["in", hanging]})] == []
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
    made = jobs_of(doomed, job_type, 1)[0]
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
    frappe.db.sql("UPDATE `tabBackground Job` SET status = 'Canceled' WHERE name = %s", made.name)
    frappe.db.commit()
    assert sweeper.sweep().removed == 1
    assert left(doomed) == {}


def test_it_goes_on_where_somebody_broke_off(doomed, job_type, times, monkeypatch):
    # Broken by leaving the removal to the request that deletes the organization.
    monkeypatch.setattr(organization_removal, "AT_ONCE", 2)
    monkeypatch.setattr(organization_removal, "SECONDS", 60)
    jobs_of(doomed, job_type, 7)
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
    frappe.db.sql("UPDATE `tabBackground Job` SET organization = %s WHERE name = %s", (doomed, late["name"]))
    frappe.db.commit()
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


def test_a_new_one_of_the_name_sees_nothing_of_it_meanwhile(doomed, job_type, alice, times):
    jobs_of(doomed, job_type)
    delete(doomed)
    with named.organization(NAME) as second:
        factory.member(alice, second, "Admin")
        frappe.set_user(alice)
        assert list_jobs()["total"] == list_jobs(NAME)["total"] == 0
        frappe.set_user("Administrator")
        assert list_jobs(NAME)["total"] == 0
        times.pass_by(MINUTE)
        mine = submit_job(job_type, NAME)
        frappe.db.commit()
        sweeper.sweep()
        assert frappe.db.exists("Background Job", mine.name)


def test_an_id_is_not_used_again_while_something_of_it_is_left(doomed, job_type, times):
    # Only an import can ask for that; the ids that the engine gives are new.
    delete(doomed)
    again = frappe.get_doc({"doctype": "Organization", "org_name": NAME})
    with pytest.raises(frappe.ValidationError, match="still being removed"):
        again.insert(set_name=doomed)


def test_a_deletion_that_frappe_refuses_removes_nothing_whatever_becomes_of_the_transaction(
    doomed, job_type, times, monkeypatch
):
    # Seen failing: the jobs ended, and the schedules were gone, of an organization that was there.
    def refuse(*_arguments):
        raise frappe.LinkExistsError

    jobs_of(doomed, job_type)
    schedules.made(job_type, organization=doomed, cron="0 0 1 1 *")  # it is not due in the minute that passes
    monkeypatch.setattr(frappe.get_module("frappe.model.delete_doc"), "check_if_doc_is_linked", refuse)
    with pytest.raises(frappe.LinkExistsError):
        frappe.delete_doc("Organization", doomed)
    frappe.db.commit()
    times.pass_by(MINUTE)
    assert sweeper.sweep().removed == 0
    assert left(doomed) == {"Background Job": 3, "Job Schedule": 1}
    assert set(frappe.get_all("Background Job", {"organization": doomed}, pluck="status")) == {"Queued"}


def test_a_sweep_with_nothing_to_remove_costs_one_statement(site):
    with database.statements() as seen:
        assert organization_removal.sweep() == 0
    assert len(seen) == 1, seen


def test_only_system_managers_see_removals(doomed, alice, times):
    admin = factory.user("ada", factory.ALPHA, org_role="Admin", roles=("Dartwing User", "Dartwing Admin"))
    delete(doomed)
    document = frappe.get_doc(config.REMOVAL, doomed)
    for user in (alice, admin):
        frappe.set_user(user)
        assert not frappe.has_permission(config.REMOVAL, doc=document)
        with pytest.raises(frappe.PermissionError):
            frappe.get_list(config.REMOVAL)
    frappe.set_user(factory.user("max", roles=("System Manager",)))
    assert frappe.get_list(config.REMOVAL, {"name": doomed})
    with pytest.raises(frappe.PermissionError):
        document.save()
    with pytest.raises(frappe.ValidationError, match="still being removed"):
        frappe.delete_doc(config.REMOVAL, doomed)
