"""The workspace, its figures, shortcuts and reports, and the footer of our forms."""

from __future__ import annotations

import re

import frappe
import pytest

from dartwing_core.jobs import submit_batch
from tests.support import browser as browsers
from tests.support import factory
from tests.support.jobs import run, set_columns, submitted_by

from .pages import ROWS, arrive, button, confirm, dialog

expect = browsers.sync_api.expect


@pytest.fixture
def dead_letters(member) -> list:
    kind = factory.job_type("note", "add_note")
    jobs = [submitted_by(member, kind, title=f"test {n}", then="fail_for_good") for n in range(2)]
    for job in jobs:
        run(job)
    return jobs


def test_the_workspace_shows_figures_and_leads_to_the_jobs(visit, member, dead_letters):
    run(submitted_by(member, factory.job_type("plain")))
    page = visit(member, "/app/background-jobs").page
    for label, value in (
        ("Running Jobs", "0"),
        ("Waiting Jobs", "0"),
        ("Failed in 24 Hours", "2"),
        ("Dead Letters", "2"),
    ):
        card = page.locator(".number-widget-box", has_text=label).first
        expect(card.locator(".number")).to_have_text(value)
    for title in ("Completed by Hour", "Failures by Type in 24 Hours", "Waiting Seconds"):
        expect(page.locator(".dashboard-widget-box", has_text=title).locator("svg.frappe-chart")).to_be_visible()
    page.locator(".number-widget-box", has_text="Dead Letters").first.locator(".number").click()
    arrive(page, "background-job")
    expect(page.locator(ROWS)).to_have_count(2)


@pytest.mark.parametrize("user", ["member", "manager"])
def test_the_shortcut_to_dead_letters_counts_and_shows_no_others(visit, dead_letters, user, request):
    # Seen failing on Frappe 16, which drops a filter of five elements: the number and the list were of all jobs.
    submitted_by(request.getfixturevalue("member"), factory.job_type("plain"))
    page = visit(request.getfixturevalue(user), "/app/background-jobs").page
    shortcut = page.get_by_role("link", name="Dead Letters", exact=True)
    number = frappe.db.count("Background Job", {"status": "Dead Letter"}) if user == "manager" else 2
    expect(shortcut.locator(".indicator-pill")).to_have_text(str(number))
    shortcut.click()
    arrive(page, "background-job")
    expect(page.locator(ROWS).first).to_contain_text("Dead Letter")
    expect(page.locator(ROWS, has_text="Queued")).to_have_count(0)


def test_dead_letters_are_retried_from_the_report(visit, member, dead_letters):
    page = visit(member, "/app/query-report/Dead Letters by Error").page
    expect(page.locator(".datatable")).to_contain_text("asked to fail for good")
    button(page, "Retry Selected").click()
    expect(page.locator(".desk-alert")).to_contain_text("First check the errors")
    page.locator(".datatable .dt-row-0 input[type=checkbox]").check()
    button(page, "Retry Selected").click()
    expect(dialog(page)).to_contain_text("Retry 2 jobs?")
    confirm(page)
    expect(page.locator(".desk-alert", has_text="2 queued again")).to_be_visible()
    frappe.db.rollback()
    assert {frappe.db.get_value("Background Job", job.name, "status") for job in dead_letters} == {"Queued"}


def test_times_of_dead_letters_are_shown_whole(visit, member, dead_letters):
    page = visit(member, "/app/query-report/Dead Letters by Error").page
    expect(page.locator(".datatable")).to_contain_text("asked to fail for good")
    cut = page.evaluate("""() => [...document.querySelectorAll(".datatable .dt-row-0 .dt-cell__content")]
        .filter((cell) => /\\d\\d:\\d\\d/.test(cell.textContent) && cell.scrollWidth > cell.clientWidth)
        .map((cell) => cell.textContent)""")
    assert cut == []


def test_the_report_of_types_shows_a_row_for_each(visit, member, dead_letters):
    page = visit(member, "/app/query-report/Job Type Performance").page
    expect(page.locator(".datatable")).to_contain_text("test_note")
    expect(page.locator(".datatable")).to_contain_text(re.compile(r"100([.,]0)?%"))
    expect(page.locator(".page-form:visible")).to_contain_text("Last 24 hours")


def test_charts_of_counts_have_whole_numbers_at_their_axis_and_names_that_can_be_read(visit, member, dead_letters):
    # Seen failing: 0.5 and 1.5 of a job; and of more than a few types "lo ..." for names.
    for number in range(5):
        job = submitted_by(member, factory.job_type(f"with_a_rather_long_name_{number}"))
        set_columns(job, status="Dead Letter")
    run(submitted_by(member, factory.job_type("plain")))
    page = visit(member, "/app/background-jobs").page
    ticks = page.locator(".dashboard-widget-box", has_text="Completed by Hour").locator(".y.axis text")
    expect(ticks.last).to_be_visible()
    assert [text for text in ticks.all_text_contents() if "." in text or "," in text] == []
    names = page.locator(".dashboard-widget-box", has_text="Failures by Type").locator("svg.frappe-chart")
    if frappe.__version__.startswith("15."):
        expect(names).to_contain_text("test_with_a_ra")  # its charts always cut names
        return
    for number in range(5):
        expect(names).to_contain_text(f"test_with_a_rather_long_name_{number}")


def test_a_chart_without_figures_says_so(visit, member):
    # Seen failing: a box with nothing in it.
    page = visit(member, "/app/background-jobs").page
    for title in ("Completed by Hour", "Failures by Type", "Waiting Seconds"):
        expect(page.locator(".dashboard-widget-box", has_text=title)).to_contain_text("No Data")


@pytest.mark.parametrize("of_whom", ["Job", "Batch", "Run"])
def test_what_the_engine_writes_is_called_nobodys_edit(visit, manager, of_whom):
    # Seen failing: "Last Edited by You", to the user under whose name the engine writes.
    frappe.set_user(manager)
    batch = submit_batch(factory.ALPHA, [{"job_type": factory.job_type("plain")}])
    frappe.db.commit()
    job = frappe.get_doc("Background Job", {"parent_batch": batch.name})
    run(job)
    doctype, name, address = {
        "Job": ("Background Job", job.name, "background-job"),
        "Batch": ("Job Batch", batch.name, "job-batch"),
        "Run": ("Background Job Run", f"{job.name}-1", "background-job-run"),
    }[of_whom]
    frappe.db.set_value(doctype, name, "modified_by", manager)
    frappe.db.commit()
    page = visit(manager, f"/app/{address}/{name}").page
    expect(page.locator(".new-timeline:visible")).to_contain_text("Last change")
    expect(page.locator(".new-timeline:visible")).not_to_contain_text("edited")
    expect(page.locator(".page-container:visible .modified-by:visible")).to_have_count(0)
