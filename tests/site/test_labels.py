"""What a job is found and shown by: its document, its tags, its title."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import (
    InvalidJobError,
    get_job_status,
    list_jobs,
    retry_job,
    submit_batch,
    submit_job,
    submit_jobs,
)
from dartwing_core.jobs.job import labels
from dartwing_core.jobs.read import pages
from dartwing_core.jobs.submit.request import title_for
from tests.support import factory
from tests.support.database import another_connection, statements
from tests.support.jobs import run, submitted_by, submitted_with
from tests.support.lifecycle import dead
from tests.support.sessions import committed


@pytest.fixture
def job_type(site) -> str:
    return factory.job_type("labeled", "nothing", deduplication="Never")


@pytest.fixture
def note(site):
    title = f"About {frappe.generate_hash(length=8)}"
    document = frappe.get_doc({"doctype": "ToDo", "description": title}).insert()
    frappe.db.commit()
    return document


def about(reference, **more) -> list[str]:
    return [job["job_id"] for job in list_jobs(reference=reference, **more)["jobs"]]


def test_a_document_or_its_names_say_what_a_job_is_about(job_type, note):
    pair = ("ToDo", note.name)
    given = [note, pair, list(pair), {"doctype": "ToDo", "name": note.name}]
    names = [submitted_with(job_type, reference=reference).name for reference in given]
    assert sorted(about(note)) == sorted(names)
    assert about(pair) == about(note)
    assert about(("ToDo", "another")) == about(("Note", note.name)) == []
    shown = get_job_status(names[0])
    assert (shown["reference_doctype"], shown["reference_name"]) == pair


@pytest.mark.parametrize("reference", ["ToDo", ("ToDo", ""), {"doctype": "ToDo"}, 5, ("ToDo", "x" * 141)])
def test_what_names_no_document_is_refused(job_type, reference):
    with pytest.raises(InvalidJobError, match="reference must be a saved document"):
        submit_job(job_type, factory.ALPHA, reference=reference)


def test_tags_find_their_jobs_and_no_others(job_type):
    one = submitted_with(job_type, tags=["month end", "fax_1"]).name
    other = submitted_with(job_type, tags={"month"}).name
    third = submitted_with(job_type).name
    found = {
        tag: {job["job_id"] for job in list_jobs(job_type=job_type, tag=tag)["jobs"]} for tag in ("month", "month end")
    }
    assert found == {"month": {other}, "month end": {one}}
    assert {job["job_id"] for job in list_jobs(job_type=job_type, tag="fax%1")["jobs"]} == set()
    assert [get_job_status(name)["tags"] for name in (one, other, third)] == [["fax_1", "month end"], ["month"], []]


def test_a_tag_is_found_however_unicode_composes_it(job_type):
    name = submitted_with(job_type, tags=["Entw\u00fcrfe", "Entwu\u0308rfe"]).name
    for tag in ("Entw\u00fcrfe", "Entwu\u0308rfe"):
        assert [job["job_id"] for job in list_jobs(job_type=job_type, tag=tag)["jobs"]] == [name]
    assert get_job_status(name)["tags"] == ["Entw\u00fcrfe"]


def test_a_tag_is_looked_for_among_the_jobs_of_the_given_dates(job_type, monkeypatch):
    # Seen failing: it was looked for among the newest jobs of all dates.
    old = submitted_with(job_type, tags=["old"]).name
    frappe.db.set_value("Background Job", old, "creation", "2026-01-01 10:00:00", update_modified=False)
    submitted_with(job_type, tags=["young"])
    monkeypatch.setattr(pages, "MAX_TOTAL", 1)
    found = list_jobs(job_type=job_type, tag="old", to_date="2026-01-02")
    assert [job["job_id"] for job in found["jobs"]] == [old]


@pytest.mark.parametrize("tags", ["month", ["a|b"], [""], ["x" * 31], [5], ["a\nb\x00"], [str(n) for n in range(11)]])
def test_what_is_no_tag_is_refused(job_type, tags):
    with pytest.raises(InvalidJobError, match="tag"):
        submit_job(job_type, factory.ALPHA, tags=tags)


def test_bulk_and_batches_take_them_too(job_type, note):
    request = {"job_type": job_type, "organization": factory.ALPHA, "reference": ["ToDo", note.name], "tags": ["bulk"]}
    submit_jobs([request])
    committed(submit_batch, factory.ALPHA, [{key: request[key] for key in ("job_type", "reference", "tags")}])
    assert len(about(note, tag="bulk")) == 2


def test_a_renamed_document_keeps_its_jobs_and_waits_for_no_other_job(job_type):
    # Seen failing: the UPDATE read the whole table, and gave up with the references at a lock that was not theirs.
    old, new = (f"labels {frappe.generate_hash(length=6)}" for _number in range(2))
    frappe.get_doc({"doctype": "Role", "role_name": old}).insert()
    job, other = submitted_with(job_type, reference=("Role", old)), submitted_with(job_type)
    frappe.rename_doc("Role", old, new, force=True)
    frappe.db.rollback()
    assert about(("Role", old)) == [job.name]
    with another_connection() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE", (other.name,))
        frappe.rename_doc("Role", old, new, force=True)
        frappe.db.commit()
    assert (about(("Role", new)), about(("Role", old))) == ([job.name], [])
    committed(frappe.delete_doc, "Role", new)
    assert about(("Role", new)) == [job.name], "a job outlives what it is about"


def test_desk_learns_which_forms_have_jobs(job_type, note):
    submitted_with(job_type, reference=note)
    submitted_with(job_type, reference=("Role", "Guest"))
    boot = {"user": {"can_read": ["ToDo", note.doctype]}}
    with statements() as sent:
        labels.add_to_boot(boot)
    assert boot["dartwing_core_referring_doctypes"] == [note.doctype]
    assert len(sent) == 1


# Titles -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def titled(site) -> str:
    return factory.job_type("titled", "nothing", job_title="Statement for {customer}, {month}")


@pytest.mark.parametrize(
    ("given", "template", "parameters", "title"),
    [
        (None, "For {customer}", {"customer": "Ann"}, "For Ann"),
        (None, "For {customer}", {}, "For"),
        (None, "{rows}{row}{none}", {"rows": [1], "row": {"a": 1}, "none": None}, None),
        (None, "{customer.__class__} {0} {}", {"customer": "Ann"}, "{customer.__class__} {}"),
        ("Mine", "For {customer}", {"customer": "Ann"}, "Mine"),
        ("{customer}", None, {"customer": "Ann"}, "{customer}"),
        (" a \n b\t", None, {}, "a b"),
        ("x" * 200, None, {}, "x" * 139 + "…"),
        ("x" * 140, None, {}, "x" * 140),
        ("", "For {customer}", {"customer": "Ann"}, None),
    ],
)
def test_a_title_is_a_line_of_text(given, template, parameters, title):
    assert title_for(given, template, parameters) == title


def test_the_type_or_the_caller_says_the_title(alice, titled):
    job = submitted_by(alice, titled, customer="Ann", month=1)
    assert job.job_title == "Statement for Ann, 1"
    own = committed(submit_job, titled, factory.ALPHA, {"customer": "Bea"}, title="Hers")
    assert get_job_status(own.name)["title"] == "Hers"
    assert get_job_status(job.name)["title"] == "Statement for Ann, 1"
    assert {one["title"] for one in list_jobs(job_type=titled)["jobs"]} >= {"Hers", "Statement for Ann, 1"}


def test_other_parameters_change_the_title_of_the_type_alone(site):
    job_type = factory.job_type("retitled", "nothing", job_title="For {customer}")
    of_type = dead(job_type, customer="Ann")
    retry_job(of_type.name, parameters={"customer": "Bea"})
    assert frappe.db.get_value("Background Job", of_type.name, "job_title") == "For Bea"
    frappe.db.set_value("Background Job", (own := dead(job_type, customer="Cem")).name, "job_title", "Mine")
    retry_job(own.name, parameters={"customer": "Dee"})
    assert frappe.db.get_value("Background Job", own.name, "job_title") == "Mine"


def test_members_and_callbacks_of_a_batch_have_titles(titled):
    member = {"job_type": titled, "parameters": {"customer": "Ann", "month": 2}}
    made = committed(submit_batch, factory.ALPHA, [member], on_complete={"job_type": titled, "title": "All sent"})
    (job,) = frappe.get_all("Background Job", {"parent_batch": made.name}, ["name", "job_title"])
    assert job.job_title == "Statement for Ann, 2"
    run(frappe.get_doc("Background Job", job.name))
    assert frappe.get_all("Background Job", {"callback_of": made.name}, pluck="job_title") == ["All sent"]
