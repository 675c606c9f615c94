"""What becomes of all that belongs to an organization that is deleted."""

from __future__ import annotations

from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs import get_job_details, job, submit_batch, submit_job
from dartwing_core.jobs.operations import organizations
from dartwing_core.jobs.sweep import retention, sweeper
from tests.support import attempts, circuits, factory, files, named, schedules
from tests.support.jobs import run, submit_many
from tests.support.sessions import committed

pytestmark = pytest.mark.usefixtures("no_sweeps")

NAME = "Test Doomed"
KEPT_APART = ("Background Job", "Job Batch", "Job Schedule", "Job Circuit", "Org Member")


@pytest.fixture
def doomed():
    with named.organization(NAME) as made:
        yield made


def delete(organization: str) -> None:
    committed(frappe.delete_doc, "Organization", organization)


def left(organization: str) -> dict[str, int]:
    frappe.db.rollback()
    found = {doctype: frappe.db.count(doctype, {"organization": organization}) for doctype in KEPT_APART}
    return {doctype: number for doctype, number in found.items() if number}


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


def test_its_jobs_end_and_say_why_and_all_else_of_it_goes(doomed, alice, frappes_jobs_at_once):
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
    batch = committed(submit_batch, doomed, [job(plain, {"n": 4})], on_failure=job(plain))
    member = frappe.get_doc("Background Job", {"parent_batch": batch.name})
    assert run(other)["status"] == "Completed"
    file = with_file(other)
    elsewhere = committed(submit_job, plain, factory.ALPHA)
    frappe.clear_messages()
    delete(doomed)
    told = " ".join(str(message) for message in frappe.get_message_log())
    assert "end now" in told
    assert left(doomed) == {"Background Job": 6}
    for made in (*failed, parent, child, member):
        assert status_of(made) == ("Dead Letter", "Organization not found")
        assert get_job_details(made.name)["history"][-1]["message"] == "Organization not found"
    assert status_of(other)[0] == "Completed"
    assert status_of(elsewhere)[0] in ("Pending", "Queued"), "others keep theirs"
    days = "creation = creation - INTERVAL 91 DAY, modified = modified - INTERVAL 91 DAY, dedup_until = NULL"
    committed(frappe.db.sql, f"UPDATE `tabBackground Job` SET {days} WHERE organization = %s", doomed)
    retention.clear_old_jobs(30)
    assert left(doomed) == {}
    for doctype in ("Job Execution Log", "Background Job Run", "Background Job Dependency"):
        assert not frappe.db.exists(doctype, {"background_job": ["in", [parent.name, child.name, other.name]]})
    assert not frappe.db.exists("Comment", {"reference_name": other.name})
    assert not file.exists()


def test_what_runs_is_asked_to_stop(doomed, job_type):
    made = submit_many(job_type, 1, doomed)[0]
    attempts.taken(made.name, 1)
    delete(doomed)
    frappe.db.rollback()
    assert frappe.db.get_value("Background Job Run", f"{made.name}-1", "cancel_requested") == 1
    assert status_of(made)[0] == "Running", "until its handler has heard of it"


def test_what_a_deletion_has_missed_fails_in_its_turn(doomed, job_type, monkeypatch):
    # Seen failing: when the claim did not ask whether the organization is still there.
    monkeypatch.setattr(organizations, "SECONDS", 0)
    missed = submit_many(job_type, 1, doomed)[0]
    delete(doomed)
    late = submit_job(job_type, factory.ALPHA)  # as by somebody who does not know yet
    committed(frappe.db.sql, "UPDATE `tabBackground Job` SET organization = %s WHERE name = %s", (doomed, late.name))
    for made in (missed, late):
        assert status_of(made)[0] == "Queued"
        run(made)
        assert status_of(made) == ("Dead Letter", "Organization not found")


def test_no_callback_of_a_batch_is_made(doomed, job_type):
    submit_batch(doomed, [job(job_type)], on_failure=job(job_type, {"n": 1}), on_complete=job(job_type, {"n": 2}))
    frappe.db.commit()
    delete(doomed)
    sweeper.sweep()
    assert left(doomed) == {"Background Job": 1}


def test_a_deletion_that_frappe_refuses_ends_nothing_whatever_becomes_of_the_transaction(doomed, job_type, monkeypatch):
    # Seen failing: the jobs ended, and the schedules were gone, of an organization that was there.
    def refuse(*_arguments):
        raise frappe.LinkExistsError

    submit_many(job_type, 3, doomed)
    schedules.made(job_type, organization=doomed, cron="0 0 1 1 *")  # it is not due in this minute
    monkeypatch.setattr(frappe.get_module("frappe.model.delete_doc"), "check_if_doc_is_linked", refuse)
    with pytest.raises(frappe.LinkExistsError):
        frappe.delete_doc("Organization", doomed)
    frappe.db.commit()
    sweeper.sweep()
    assert left(doomed) == {"Background Job": 3, "Job Schedule": 1}
    assert set(frappe.get_all("Background Job", {"organization": doomed}, pluck="status")) == {"Queued"}
