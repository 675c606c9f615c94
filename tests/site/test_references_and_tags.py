"""The document that a job is about, and its tags."""

from __future__ import annotations

import time
from typing import Any

import frappe
import pytest

from dartwing_core.jobs import InvalidJobError, get_job_status, list_jobs, submit_batch, submit_job, submit_jobs
from dartwing_core.jobs.job import labels
from dartwing_core.jobs.read import pages
from tests.support import factory
from tests.support.database import another_connection, plans, statements
from tests.support.jobs import run, submitted_with
from tests.support.sessions import as_user


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


@pytest.mark.parametrize(
    "reference", ["ToDo", ("ToDo",), ("ToDo", ""), ("", "a"), {"doctype": "ToDo"}, 5, ("ToDo", "x" * 141)]
)
def test_what_names_no_document_is_refused(job_type, reference):
    with pytest.raises(InvalidJobError, match="reference must be a saved document"):
        submit_job(job_type, factory.ALPHA, reference=reference)


def test_a_document_without_a_name_is_refused(job_type):
    with pytest.raises(InvalidJobError, match="saved document"):
        submit_job(job_type, factory.ALPHA, reference=frappe.get_doc({"doctype": "ToDo", "description": "new"}))


def test_only_visible_jobs_are_listed_for_a_document(job_type, note):
    submitted_with(job_type, reference=note)
    stranger = factory.user("label-stranger", factory.BETA)
    assert as_user(stranger, lambda: about(note)) == []
    assert len(about(note)) == 1


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


def test_they_cost_no_statement(job_type, note):
    submit_job(job_type, factory.ALPHA)  # fills caches
    with statements() as plain:
        submit_job(job_type, factory.ALPHA)
    with statements() as labeled:
        submit_job(job_type, factory.ALPHA, reference=note, tags=["a"])
    assert len(labeled) == len(plain)


def test_bulk_and_batches_take_them_too(job_type, note):
    request = {"job_type": job_type, "organization": factory.ALPHA, "reference": ["ToDo", note.name], "tags": ["bulk"]}
    submit_jobs([request])
    submit_batch(factory.ALPHA, [{key: request[key] for key in ("job_type", "reference", "tags")}])
    frappe.db.commit()
    assert len(about(note, tag="bulk")) == 2


def test_a_renamed_document_keeps_its_jobs(job_type):
    old, new = (f"labels {frappe.generate_hash(length=6)}" for _number in range(2))
    frappe.get_doc({"doctype": "Role", "role_name": old}).insert()
    job = submitted_with(job_type, reference=("Role", old))
    run(job)
    frappe.rename_doc("Role", old, new, force=True)
    frappe.db.commit()
    assert about(("Role", new)) == [job.name]
    assert about(("Role", old)) == []
    frappe.delete_doc("Role", new)
    frappe.db.commit()
    assert about(("Role", new)) == [job.name], "a job outlives what it is about"


def test_a_name_that_changes_its_case_alone_is_followed_once(job_type):
    # Seen failing: the row was found by its new name too, again and again.
    old = f"labels {frappe.generate_hash(length=6)}"
    frappe.get_doc({"doctype": "Role", "role_name": old}).insert()
    job = submitted_with(job_type, reference=("Role", old))
    frappe.rename_doc("Role", old, old.upper(), force=True)
    frappe.db.commit()
    assert get_job_status(job.name)["reference_name"] == old.upper()
    frappe.delete_doc("Role", old.upper())
    frappe.db.commit()


def renamed(job_type: str, **more) -> tuple[Any, Any]:
    """A note that is renamed in an open transaction, and a job about it."""
    note = frappe.get_doc({"doctype": "Note", "title": frappe.generate_hash(length=10)}).insert()
    job = submitted_with(job_type, reference=note, **more)
    frappe.db.savepoint("before_rename")
    frappe.rename_doc("Note", note.name, f"{note.name}-new", force=True)
    return note, job


def test_a_rename_that_is_undone_or_older_than_a_job_is_not_followed(job_type):
    note, job = renamed(job_type)
    frappe.db.rollback(save_point="before_rename")
    frappe.db.commit()
    assert get_job_status(job.name)["reference_name"] == note.name
    note, job = renamed(job_type)
    again = frappe.get_doc({"doctype": "Note", "title": note.name}).insert()
    later = submitted_with(job_type, reference=again)
    names = [get_job_status(one.name)["reference_name"] for one in (job, later)]
    assert names == [f"{note.name}-new", again.name]


def test_a_rename_waits_for_no_other_job(job_type, monkeypatch):
    # Seen failing: the UPDATE read the whole table, and gave up with the references at a lock that was not theirs.
    other = submitted_with(job_type)
    note, job = renamed(job_type)
    locked = submitted_with(job_type)
    monkeypatch.setattr(labels, "LOCK_WAIT", 30)  # longer than a rename takes on a busy machine
    with another_connection() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        for unrelated in (other, locked):
            cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE", (unrelated.name,))
        began = time.monotonic()
        frappe.rename_doc("Note", f"{note.name}-new", f"{note.name}-newer", force=True)
        frappe.db.commit()
        assert time.monotonic() - began < labels.LOCK_WAIT
    assert get_job_status(job.name)["reference_name"] == f"{note.name}-newer"


def test_desk_learns_which_forms_have_jobs(job_type, note):
    submitted_with(job_type, reference=note)
    submitted_with(job_type, reference=("Role", "Guest"))
    boot = {"user": {"can_read": ["ToDo", note.doctype]}}
    with statements() as sent:
        labels.add_to_boot(boot)
    assert boot["dartwing_core_referring_doctypes"] == [note.doctype]
    assert len(sent) == 1


def test_the_index_finds_the_jobs_of_a_document(job_type, note):
    submitted_with(job_type, reference=note)
    steps = plans(lambda: about(note), "Background Job")
    assert any((step["key"] or "").startswith("reference_doctype") for _query, step in steps), steps
