"""Markup in texts, a deleted job, an ended session, a lost network: the job center says so and goes on."""

from __future__ import annotations

import json

import frappe

from dartwing_core.jobs.job import runs
from tests.support import attempts, factory
from tests.support.job_center import PATH, card, expect, pill, requests_of
from tests.support.jobs import set_columns, submitted_by
from tests.support.waiting import until

HACK = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"


def test_texts_of_jobs_never_become_markup(visit, portal_user):
    name = f"Test {HACK}"[:140]
    # As an adapter for other tenants may name them; Frappe's own naming takes no markup.
    frappe.get_doc({"doctype": "Organization", "name": name, "org_name": name, "status": "Active"}).db_insert()
    values = {"user": portal_user, "organization": name, "role": "Member", "status": "Active"}
    frappe.get_doc({"doctype": "Org Member", "name": "test-markup", **values}).db_insert()
    job_type = factory.job_type("plain", display_name=HACK[:140])
    try:
        job = submitted_by(portal_user, job_type, a=1)
        set_columns(job, organization=name)
        attempts.taken(job.name, 1)
        steps = json.dumps([{"name": HACK, "state": "active"}])
        values = {"background_job": job.name, "attempt": 1, "progress": 5, "progress_message": HACK, "steps": steps}
        runs.write(f"{job.name}-1", values)
        frappe.db.commit()
        page = visit(portal_user, f"{PATH}#{job.name}").page
        expect(page.locator("#jc-details .jc-line")).to_have_text(HACK)
        set_columns(
            job, status="Dead Letter", error_message=HACK, result=json.dumps({HACK: HACK}), canceled_by=HACK[:140]
        )
        page.reload()
        expect(page.locator("#jc-details .jc-error")).to_have_text(HACK)
        expect(card(page, job)).to_contain_text(HACK[:80])
        set_columns(job, output_reference="javascript:window.hacked=1")
        page.reload()
        expect(page.locator("#jc-details .jc-facts")).to_contain_text("javascript:")
        assert page.evaluate("window.hacked") is None
        assert page.locator(".job-center :is(img, script:not(#jc-data))").count() == 0
    finally:
        set_columns(job, organization=factory.ALPHA)
        frappe.db.delete("Org Member", {"organization": name})
        frappe.db.delete("Organization", {"name": name})
        frappe.db.commit()


def test_a_job_deleted_while_it_is_open_ends_in_a_plain_message(visit, portal_user, running):
    job = running(progress=10)
    page = visit(portal_user, f"{PATH}#{job.name}").page
    expect(page.locator(".jc-events > li").first).to_be_visible()
    for doctype, column in (("Background Job Run", "background_job"), ("Background Job", "name")):
        frappe.db.delete(doctype, {column: job.name})
    frappe.db.commit()
    expect(page.get_by_role("dialog")).to_contain_text("This job does not exist any more")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()


def test_an_answer_about_a_job_that_is_no_longer_open_says_nothing(visit, portal_user, running):
    # Seen failing: an error in the console ("opened is null"), which the page's visit holds.
    job = running(progress=10)
    page = visit(portal_user).page
    held: list = []
    page.route("**/*.get_job_details?*", lambda route: held.append(route))
    card(page, job).get_by_role("button", name="Monthly report", exact=True).click()
    until(lambda: page.wait_for_timeout(50) or held, 10, "a request for the details")
    page.get_by_role("button", name="Close").click()
    with page.expect_event("requestfinished", lambda request: "get_job_details" in request.url):
        held[0].fulfill(status=404, json={"error": "not_found", "message": "gone"})
    page.wait_for_function("new Promise((resolve) => setTimeout(() => resolve(true), 100))")
    expect(page.locator("#jc-notice")).to_be_empty()


def test_a_session_that_ends_leads_to_the_login(visit, portal_user, running):
    running(progress=10)
    visitor = visit(portal_user)
    page = visitor.page
    expect(page.locator(".jc-card")).to_have_count(1)
    visitor.context.clear_cookies()
    expect(page.locator("#jc-notice")).to_contain_text("Your session has ended. Log in again to go on.")
    expect(page.get_by_role("link", name="Log in")).to_have_attribute("href", "/login?redirect-to=%2Fjob-center")
    asked = requests_of(page)
    page.wait_for_timeout(2_500)
    assert asked == [], "it does not go on asking"


def test_a_lost_network_is_told_and_overcome(visit, portal_user, running):
    job = running(progress=10)
    visitor = visit(portal_user)
    page = visitor.page
    expect(card(page, job)).to_be_visible()
    visitor.context.set_offline(True)
    expect(page.locator("#jc-notice")).to_contain_text("The server can't be reached.")
    expect(page.locator("#jc-connection")).to_have_text("Not connected")
    running(job, progress=80)
    visitor.context.set_offline(False)
    expect(card(page, job).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "80")
    expect(page.locator("#jc-notice")).to_be_empty()


def test_a_token_of_an_older_session_asks_for_a_reload(visit, portal_user, running):
    job = running(progress=10)
    visitor = visit(portal_user)
    page = visitor.page
    expect(card(page, job)).to_be_visible()
    visitor.log_in(portal_user)
    other = visitor.context.new_page()
    other.goto(PATH)  # which makes the new session's token
    card(page, job).get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#jc-notice")).to_contain_text("Reload it, and try again.")
    page.get_by_role("button", name="Reload").click()
    card(page, job).get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(pill(card(page, job))).to_have_text("Stopping")


def test_a_job_that_has_ended_meanwhile_says_so_when_canceled(visit, portal_user, running):
    job = running(progress=10)
    page = visit(portal_user).page
    card(page, job).get_by_role("button", name="Cancel").click()
    set_columns(job, status="Completed")
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#jc-notice")).to_contain_text(f"Job {job.name} is Completed and can't be canceled.")
    expect(pill(card(page, job))).to_have_text("Completed")


def test_too_many_requests_are_answered_by_patience(visit, portal_user, running):
    running(progress=10)
    visitor = visit(portal_user)
    page = visitor.page
    expect(page.locator(".jc-card")).to_have_count(1)
    asked: list[str] = []

    def refuse(route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=429, headers={"Retry-After": "30"}, json={"error": "rate_limited", "message": "Too many"})

    page.route("**/api/method/**", refuse)
    until(lambda: page.wait_for_timeout(50) or asked, 10, "a request")
    page.wait_for_timeout(3_000)
    assert len(asked) <= 2, "the list and the running job, in the same moment"
