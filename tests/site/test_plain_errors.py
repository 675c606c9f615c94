"""Errors that Frappe or others raised as HTML are plain text in every answer."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.jobs import engine, retry_jobs
from dartwing_core.jobs.errors import InvalidTransitionError, JobBusyError
from dartwing_core.jobs.operations import dead_letters
from dartwing_core.jobs.schedules import schedule_runs
from dartwing_core.jobs.sweep import sweeper
from tests.support import factory, records, schedules
from tests.support.http import Client
from tests.support.jobs import run, submitted_by

pytestmark = pytest.mark.usefixtures("fresh_limits")

LINKING = "Test Keeps Jobs"
HTML = "<p>Row <b>3</b> of <a href='/app/item/A'>A</a></p>"
PLAIN = "Row 3 of A"


@pytest.fixture
def dead(alice):
    """A dead letter of Alice's."""
    job = submitted_by(alice, factory.job_type("note", "add_note"), title="test dead", then="fail_for_good")
    assert run(job)["status"] == "Dead Letter"
    return job


@pytest.fixture
def linked(dead) -> Iterator[str]:
    """The same, with a document of another app that links to it."""
    fields = [{"fieldname": "job", "fieldtype": "Link", "options": "Background Job", "label": "Job"}]
    records.make_doctype(LINKING, fields, [], module="Core")
    frappe.get_doc({"doctype": LINKING, "job": dead.name}).insert()
    frappe.db.commit()
    yield dead.name
    records.remove_doctypes(LINKING)


def test_a_link_that_keeps_a_job_from_being_deleted_is_told_without_tags(web, linked):
    client = Client(web).with_token(factory.user("m_manager", roles=("System Manager", "Dartwing User")))
    several = client.post("delete_jobs", job_ids=[linked])
    assert several.status_code == 200, several.text
    one = client.post("delete_dead_letter_job", job_id=linked)
    assert (one.status_code, one.json()["error"]) == (400, "invalid"), one.text
    for text in (several.json()["message"]["refused"][linked], one.json()["message"]):
        assert LINKING in text, text
    for answer in (several, one):
        assert "<" not in answer.text, answer.text
        assert "&lt;" not in answer.text, answer.text


def raised(error: Exception):
    def instead(*_arguments, **_named):
        raise error

    return instead


def test_a_refused_retry_is_told_without_tags(dead, monkeypatch):
    monkeypatch.setattr(engine, "retry_job", raised(InvalidTransitionError(HTML)))
    assert retry_jobs([dead.name])["refused"] == {dead.name: PLAIN}
    assert dead_letters.bulk_retry_dead_letter(factory.ALPHA)["skipped"] == {dead.name: PLAIN}


@pytest.mark.parametrize("error", [JobBusyError(HTML), frappe.ValidationError(HTML)])
def test_a_schedule_keeps_its_last_error_without_tags(monkeypatch, error):
    wall = schedules.Wall(monkeypatch, 1_790_000_000)
    schedule = schedules.made(factory.job_type("plain"))
    wall.advance(3_600)
    monkeypatch.setattr(schedule_runs, "prepare", raised(error))
    assert sweeper.sweep().scheduled == 0
    assert schedules.state(schedule).last_error == PLAIN
