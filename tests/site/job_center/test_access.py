"""The job center shows people what they may see."""

from __future__ import annotations

import json

from tests.support import browser as browsers
from tests.support import factory
from tests.support.job_center import PATH, card, expect
from tests.support.jobs import submitted_by


def test_two_members_see_only_their_own_and_an_admin_both(visit, portal_user):
    anna = factory.user("anna", factory.ALPHA, roles=())
    admin = factory.user("ada", factory.ALPHA, roles=(), org_role="Admin")
    job_type = factory.job_type("plain", display_name="Plain work")
    own, other = submitted_by(portal_user, job_type), submitted_by(anna, job_type)
    for user, seen, unseen in ((portal_user, own, other), (anna, other, own)):
        page = visit(user, f"{PATH}#{unseen.name}").page
        details = page.get_by_role("dialog")
        expect(details).to_contain_text("This job does not exist any more, or you may not see it any more.")
        page.keyboard.press("Escape")
        expect(card(page, seen)).to_be_visible()
        expect(page.locator(".jc-card")).to_have_count(1)
        expect(page.get_by_label("Only my own")).to_be_hidden()
    page = visit(admin).page
    expect(card(page, own)).to_contain_text(portal_user)
    expect(card(page, other)).to_contain_text(anna)
    page.get_by_text("Only my own").click()
    expect(page.get_by_role("heading", name="No job matches this filter")).to_be_visible()


def test_a_guest_is_sent_to_log_in_and_comes_back(visit, web):
    visitor = visit(None, f"{PATH}?status=Failed")
    assert visitor.page.url.partition("#")[0].endswith("/login?redirect-to=%2Fjob-center%3Fstatus%3DFailed")
    visitor.errors.clear()  # of Frappe's own page


def test_a_user_without_organization_is_told_so(visit):
    page = visit(factory.user("noone", roles=())).page
    expect(page.get_by_role("heading", name="You are not a member of an organization")).to_be_visible()
    assert browsers.accessibility_faults(page) == []


def test_it_works_under_a_strict_content_security_policy(visit, portal_user, running):
    # The website's own inline scripts are stopped by it; ours must not need any.
    job = running(progress=10)
    # A browser asks for the site's picture beside a page. Two pages at once on an empty cache may fail in Frappe 16:
    # `redis_cache` looks twice, and takes what another thread stored in between for None.
    visitor = visit(portal_user, "about:blank")

    html = visitor.fetch(PATH)
    policy = {"Content-Security-Policy": "default-src 'self'; img-src 'self' data:"}
    page_of = {"body": html, "headers": policy, "content_type": "text/html"}
    visitor.page.route(f"**{PATH}", lambda route: route.fulfill(**page_of))
    visitor.page.goto(PATH)
    expect(card(visitor.page, job)).to_be_visible()
    visitor.errors.clear()  # of the website's own; that ours has no inline scripts or styles is tested elsewhere
    card(visitor.page, job).locator(".jc-card-title").click()
    expect(visitor.page.locator(".jc-events > li").first).to_be_visible()


def test_the_page_is_not_cached_and_holds_the_users_own_token(visit, portal_user):
    anna = factory.user("anna", factory.ALPHA, roles=())
    data = []
    for user in (portal_user, anna):
        page = visit(user).page
        data.append(json.loads(page.locator("#jc-data").text_content()))
    assert [each["user"] for each in data] == [portal_user, anna]
    assert data[0]["csrf_token"] != data[1]["csrf_token"]
