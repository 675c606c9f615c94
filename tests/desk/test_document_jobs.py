"""The jobs that are about a document, in the document's own form."""

from __future__ import annotations

import frappe
import pytest

from tests.support import browser as browsers
from tests.support import factory
from tests.support.jobs import run, submitted_with

from .pages import view

expect = browsers.sync_api.expect
HACK = "<img src=x onerror='window.hacked=1'>"


@pytest.fixture
def todo(member):
    document = frappe.get_doc({"doctype": "ToDo", "description": "About jobs", "allocated_to": member}).insert()
    frappe.db.commit()
    return document


def about(todo, **values):
    return submitted_with(factory.job_type("about", "nothing", deduplication="Never"), reference=todo, **values)


def jobs_in(page):
    return page.locator(".dw-document-jobs")


def test_a_documents_form_lists_its_jobs_and_a_jobs_form_leads_to_it(visit, manager, todo):
    done = about(todo, title=f"Statement {HACK}", tags=["month end"])
    run(done)
    about(todo, title="Reminder")
    page = visit(manager, f"/app/todo/{todo.name}").page
    expect(jobs_in(page)).to_contain_text("Completed")
    expect(jobs_in(page).locator("a")).to_have_text(["Reminder", f"Statement {HACK}"])
    assert page.evaluate("window.hacked") is None
    page.evaluate("cur_frm.refresh()")
    expect(jobs_in(page)).to_have_count(1)
    jobs_in(page).get_by_text("Statement").click()
    expect(view(page).locator(".dw-labels")).to_contain_text("month end")
    view(page).locator(".dw-reference").click()
    expect(jobs_in(page)).to_be_visible()


def test_a_form_with_tabs_shows_them_in_the_first_one(visit, manager, member):
    # Seen failing: on a Sales Invoice they were in the tab of its connections.
    about(frappe.get_doc("User", member))
    page = visit(manager, f"/app/user/{member}").page
    expect(jobs_in(page)).to_be_visible()
    assert page.evaluate("cur_frm.layout.tabs.some((tab) => tab.df.show_dashboard)")
    page.evaluate("cur_frm.refresh()")
    expect(jobs_in(page)).to_have_count(1)


def test_a_form_without_jobs_asks_and_shows_nothing(visit, manager, todo):
    title = f"none {frappe.generate_hash(length=6)}"
    other = frappe.get_doc({"doctype": "Note", "title": title, "public": 1}).insert()
    about(todo)
    page = visit(manager, f"/app/todo/{todo.name}").page
    expect(jobs_in(page)).to_be_visible()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "list_jobs" in request.url else None)
    page.evaluate("(name) => frappe.set_route('Form', 'Note', name)", other.name)
    page.wait_for_function("(name) => window.cur_frm?.docname === name", arg=other.name)
    page.wait_for_load_state("networkidle")
    assert asked == []


def test_all_of_many_jobs_are_a_click_away(visit, manager, todo):
    for number in range(7):
        about(todo, title=f"number {number}")
    page = visit(manager, f"/app/todo/{todo.name}").page
    expect(jobs_in(page).locator("a")).to_have_count(5)
    page.get_by_text("All 7").click()
    page.wait_for_function("() => window.cur_list?.doctype === 'Background Job'")
    expect(page.locator(".list-row-container:visible", has_text="number 0").first).to_be_visible()
