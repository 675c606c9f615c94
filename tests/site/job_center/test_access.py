"""The job center shows people what they may see."""

from __future__ import annotations

import json

import frappe

from tests.support import browser as browsers
from tests.support import factory
from tests.support.job_center import PATH, card, expect
from tests.support.jobs import submitted_by
from tests.support.queues import serve


def test_two_members_see_only_their_own_and_an_admin_both(visit, portal_user):
    anna = factory.user("anna", factory.ALPHA, roles=())
    admin = factory.user("ada", factory.ALPHA, roles=(), org_role="Admin")
    job_type = factory.job_type("plain", display_name="Plain work")
    own, other = submitted_by(portal_user, job_type), submitted_by(anna, job_type)
    for user, seen, unseen in ((portal_user, own, other), (anna, other, own)):
        page = visit(user, f"{PATH}#{unseen.name}").page
        details = page.get_by_role("dialog")
        expect(details).to_contain_text("This job no longer exists, or you no longer have access to it.")
        page.keyboard.press("Escape")
        expect(card(page, seen)).to_be_visible()
        expect(page.locator(".jc-card")).to_have_count(1)
        expect(page.get_by_label("Only mine")).to_be_hidden()
    page = visit(admin).page
    expect(card(page, own)).to_contain_text(portal_user)
    expect(card(page, other)).to_contain_text(anna)
    page.get_by_text("Only mine").click()
    expect(page.get_by_role("heading", name="No jobs match this filter")).to_be_visible()


def test_a_guest_is_sent_to_log_in_and_comes_back(visit, web):
    visitor = visit(None, f"{PATH}?status=Failed")
    assert visitor.page.url.partition("#")[0].endswith("/login?redirect-to=%2Fjob-center%3Fstatus%3DFailed")
    visitor.errors.clear()  # of Frappe's own page


def test_the_page_is_not_cached_and_holds_the_users_own_token(visit, portal_user):
    anna = factory.user("anna", factory.ALPHA, roles=())
    data = []
    for user in (portal_user, anna):
        page = visit(user).page
        data.append(json.loads(page.locator("#jc-data").text_content()))
    assert [each["user"] for each in data] == [portal_user, anna]
    assert data[0]["csrf_token"] != data[1]["csrf_token"]


def test_what_holds_jobs_up_stands_above_them_until_it_is_over(visit, portal_user):
    serve("one", "default")
    job_type = factory.job_type("plain", display_name="Monthly report", is_paused=1)
    job = submitted_by(portal_user, job_type)
    manager = factory.user("manager", factory.ALPHA, roles=("System Manager",))
    pages = {user: visit(user).page for user in (portal_user, manager)}
    lines = {user: page.get_by_role("status").filter(has_text="paused") for user, page in pages.items()}
    for user, line in lines.items():
        expect(line).to_have_text("Monthly report: Jobs of this type are paused.")
        expect(line.get_by_role("link")).to_have_count(int(user == manager))
    expect(card(pages[manager], job)).to_be_visible()
    assert browsers.accessibility_faults(pages[manager]) == []
    frappe.get_doc("Job Type", job_type).update({"is_paused": 0}).save()
    frappe.db.commit()
    pages[portal_user].evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(lines[portal_user]).to_have_count(0)
