"""The title of a job: from the caller or from its Job Type, shown wherever the job is."""

from __future__ import annotations

from datetime import date

import frappe
import pytest

from dartwing_core.jobs import get_job_status, list_jobs, retry_job, submit_batch, submit_job
from dartwing_core.jobs.submit.request import title_for
from tests.support import factory
from tests.support.database import statements
from tests.support.jobs import run, submitted_by
from tests.support.lifecycle import dead


@pytest.fixture
def job_type(site) -> str:
    name = factory.job_type("titled", "nothing", job_title="Statement for {customer}, {month}")
    frappe.db.commit()
    return name


@pytest.mark.parametrize(
    ("given", "template", "parameters", "title"),
    [
        (None, None, {"customer": "Ann"}, None),
        (None, "For {customer}", {"customer": "Ann"}, "For Ann"),
        (None, "For {customer}", {}, "For"),
        (None, "For {customer}", None, "For"),
        (None, "{n} of {d}", {"n": 3, "d": date(2026, 1, 31)}, "3 of 2026-01-31"),
        (None, "{rows}{row}{none}", {"rows": [1], "row": {"a": 1}, "none": None}, None),
        (None, "{customer.__class__} {0} {}", {"customer": "Ann"}, "{customer.__class__} {}"),
        ("Mine", "For {customer}", {"customer": "Ann"}, "Mine"),
        ("{customer}", None, {"customer": "Ann"}, "{customer}"),
        (" a \n b\t", None, {}, "a b"),
        ("x" * 200, None, {}, "x" * 140),
        ("half \ud800", None, {}, "half ?"),
        ("", "For {customer}", {"customer": "Ann"}, None),
    ],
)
def test_a_title_is_a_line_of_text(given, template, parameters, title):
    assert title_for(given, template, parameters) == title


def test_the_type_or_the_caller_says_the_title(alice, job_type):
    job = submitted_by(alice, job_type, customer="Ann", month=1)
    assert job.job_title == "Statement for Ann, 1"
    own = submit_job(job_type, factory.ALPHA, {"customer": "Bea"}, title="Hers")
    frappe.db.commit()
    assert get_job_status(own.name)["title"] == "Hers"
    assert get_job_status(job.name)["title"] == "Statement for Ann, 1"
    assert {one["title"] for one in list_jobs(job_type=job_type)["jobs"]} >= {"Hers", "Statement for Ann, 1"}


def test_a_title_costs_no_statement(job_type):
    plain = factory.job_type("untitled", "nothing")
    frappe.db.commit()
    counts = []
    for name, more in ((plain, {}), (job_type, {}), (plain, {"title": "Mine"})):
        submit_job(name, factory.ALPHA, {"customer": f"warm {more}"}, **more)
        frappe.db.commit()
        with statements() as ran:
            submit_job(name, factory.ALPHA, {"customer": f"Ann {more}"}, **more)
        counts.append(len(ran))
        frappe.db.commit()
    assert len(set(counts)) == 1, counts


def test_other_parameters_change_the_title_of_the_type_alone(site):
    job_type = factory.job_type("retitled", "nothing", job_title="For {customer}")
    frappe.db.commit()
    of_type = dead(job_type, customer="Ann")
    retry_job(of_type.name, parameters={"customer": "Bea"})
    assert frappe.db.get_value("Background Job", of_type.name, "job_title") == "For Bea"
    frappe.db.set_value("Background Job", (own := dead(job_type, customer="Cem")).name, "job_title", "Mine")
    retry_job(own.name, parameters={"customer": "Dee"})
    assert frappe.db.get_value("Background Job", own.name, "job_title") == "Mine"


def test_a_replaced_job_has_the_newer_title(job_type):
    first = submit_job(job_type, factory.ALPHA, {"customer": "Ann"}, dedup_key="one", available_at=3600)
    frappe.db.commit()
    submit_job(job_type, factory.ALPHA, {"customer": "Bea"}, dedup_key="one", on_duplicate="replace", available_at=60)
    assert frappe.db.get_value("Background Job", first.name, "job_title") == "Statement for Bea,"


def test_members_and_callbacks_of_a_batch_have_titles(job_type):
    member = {"job_type": job_type, "parameters": {"customer": "Ann", "month": 2}}
    made = submit_batch(factory.ALPHA, [member], on_complete={"job_type": job_type, "title": "All sent"})
    frappe.db.commit()
    (job,) = frappe.get_all("Background Job", {"parent_batch": made.name}, ["name", "job_title"])
    assert job.job_title == "Statement for Ann, 2"
    run(frappe.get_doc("Background Job", job.name))
    assert frappe.get_all("Background Job", {"callback_of": made.name}, pluck="job_title") == ["All sent"]
