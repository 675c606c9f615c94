"""What a job's owner may read, an admin of the organization may not: results that are for their owner alone."""

from __future__ import annotations

from typing import Any

import frappe
import pytest
from frappe.desk import query_report

from dartwing_core.jobs import (
    get_job_details,
    get_job_status,
    list_jobs,
    run_schedule_now,
    submit_job,
)
from dartwing_core.jobs.job import dependencies, find
from dartwing_core.jobs.read import visible_jobs
from dartwing_core.jobs.sweep import sweeper
from tests.support import circuits, factory, files, schedules
from tests.support.jobs import run, submitted_by
from tests.support.sessions import as_user, committed

JOB = "Background Job"
PRIVATE = {"results_visible_to": "Owner Only"}
pytestmark = pytest.mark.usefixtures("no_sweeps")


@pytest.fixture
def manager() -> str:
    return factory.user("max", roles=("System Manager",))


def finished(owner: str, job_type: str, **more: Any):
    """A completed job with a result and an outcome."""
    frappe.db.commit()
    frappe.set_user(owner)
    made = committed(submit_job, job_type, factory.ALPHA, {"title": f"test {frappe.generate_hash()}"}, **more)
    frappe.set_user("Administrator")
    assert run(made)["status"] == "Completed"
    return files.given(made)


def shown(made, user: str) -> bool:
    """Whether REST and Python show the user its result; all their ways agree."""
    frappe.set_user(user)
    status, details = get_job_status(made.name), get_job_details(made.name)
    listed = next(one for one in list_jobs(limit=100)["jobs"] if one["job_id"] == made.name)
    row = visible_jobs.visible_job(made.name, *find.light_fields(), "result", "output_reference")
    has_file = files.is_readable(made)
    frappe.set_user("Administrator")
    answers = {bool(details["files"]), has_file}
    answers |= {bool(one["output_reference"]) for one in (status, details, listed, row)}
    answers |= {bool(one["result"]) for one in (status, details, row)}
    answers |= {not one["result_is_hidden"] for one in (status, details)}
    assert len(answers) == 1, (status, listed)
    return answers.pop()


def test_a_result_for_its_owner_alone_is_seen_by_nobody_else(alice, admin, manager):
    # Seen failing before there was the choice: the admin saw all of it.
    made = finished(alice, factory.job_type("note", "add_note", **PRIVATE))
    assert [shown(made, user) for user in (alice, admin, manager)] == [True, False, True]


def test_files_are_private_before_the_job_is_completed(alice, admin):
    made = files.given(submitted_by(alice, factory.job_type("note", "add_note", **PRIVATE), title="test"))
    frappe.set_user(admin)
    assert frappe.get_list(JOB, {"name": made.name}), "the job is no secret"
    assert not files.is_readable(made)


@pytest.mark.parametrize("is_deleted", [True, False])
def test_what_was_private_when_it_was_submitted_stays_so(alice, admin, is_deleted):
    job_type = factory.job_type("note", "add_note", **PRIVATE)
    made = finished(alice, job_type)
    circuits.change(job_type, results_visible_to="Owner and Admins")
    if is_deleted:
        committed(frappe.delete_doc, "Job Type", job_type, force=True)
    assert not shown(made, admin)


def test_a_type_that_becomes_private_hides_what_there_is(alice, admin):
    job_type = factory.job_type("note", "add_note")
    made = finished(alice, job_type)
    circuits.change(job_type, **PRIVATE)
    assert not shown(made, admin)


def test_a_child_gets_no_result_that_its_owner_may_not_see(alice, admin):
    parent = finished(alice, factory.job_type("note", "add_note", **PRIVATE))
    open_parent = finished(alice, factory.job_type("open_note", "add_note"))
    job_type = factory.job_type("plain")
    got = {}
    for user in (alice, admin):
        frappe.set_user(user)
        child = submit_job(job_type, factory.ALPHA, {"by": user}, depends_on=[parent.name, open_parent.name])
        got[user] = set(dependencies.results(find.load(child.name)))
    assert got == {alice: {parent.name, open_parent.name}, admin: {open_parent.name}}


def test_a_duplicate_is_returned_without_its_result(alice, admin):
    # A brother: in a suspended organization too, Python got the whole row.
    job_type = factory.job_type("note", "add_note", deduplication_window=300, **PRIVATE)
    made = finished(alice, job_type, dedup_key="once")
    found = {}
    for user in (alice, admin):
        frappe.set_user(user)
        document = submit_job(job_type, factory.ALPHA, dedup_key="once", on_duplicate="return")
        assert document.name == made.name
        found[user] = bool(document.result), bool(document.output_reference)
    assert found == {alice: (True, True), admin: (False, False)}


def test_a_run_by_somebody_else_shows_its_result_to_the_owner_alone(alice, admin, monkeypatch):
    # Seen failing: the admin got what the owner's permissions made, whenever they liked.
    wall = schedules.Wall(monkeypatch, 1_790_000_000)
    job_type = factory.job_type("note", "add_note")
    schedule = schedules.made(job_type, parameters={"title": "test"}, owner_user=alice)
    runs = {}
    for user in (alice, admin):
        frappe.set_user(user)
        runs[user] = run_schedule_now(schedule.name)
        frappe.db.commit()
        frappe.set_user("Administrator")
        assert run(runs[user])["status"] == "Completed"
        files.given(runs[user])
    assert [shown(runs[alice], user) for user in (alice, admin)] == [True, True]
    assert [shown(runs[admin], user) for user in (alice, admin)] == [True, False]
    wall.advance(3_600)
    assert sweeper.sweep().scheduled == 1
    due = frappe.get_doc(JOB, frappe.db.get_value("Job Schedule", schedule.name, "last_job"))
    run(due)
    files.given(due)
    assert shown(due, admin), "a due time is nobody's choice"


# Reports: neither prepared nor mailed -------------------------------------------------------------------------------


REPORTS = ("Failed Jobs by Error", "Job Type Performance")


@pytest.fixture
def reader(site) -> str:
    """An admin of Alpha with a job."""
    user = factory.user("report_reader", factory.ALPHA, org_role="Admin", roles=("Dartwing Admin",))
    submitted_by(user, factory.job_type("plain"))
    return user


def shown_by(report: str) -> list[dict]:
    return query_report.run(report, filters={})["result"]


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_is_not_made_in_a_background_job(reader, report, monkeypatch):
    as_user(reader, shown_by, report)
    monkeypatch.setattr(frappe.local, "job", frappe._dict(), raising=False)
    monkeypatch.setitem(frappe.local.job, "method", "frappe.core.doctype.prepared_report.prepared_report.generate")
    with pytest.raises(frappe.PermissionError, match="neither prepared nor mailed"):
        as_user(reader, shown_by, report)
