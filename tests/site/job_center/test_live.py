"""The job center follows its jobs and their logs by events and by polling; what goes wrong it says, and goes on."""

from __future__ import annotations

import json
import re

import frappe

from dartwing_core.jobs.job import runs
from tests.support import attempts, factory
from tests.support.job_center import PATH, card, emit, expect, pill, requests_of, with_socket
from tests.support.jobs import set_columns, submitted_by
from tests.support.sessions import committed


def test_an_event_moves_the_bar_at_once(visit, portal_user, running):
    # Seen failing: with progress events that only ask for a poll.
    job = running(progress=10, progress_message="Begun")
    visitor = visit(portal_user)
    with_socket(visitor)
    page = visitor.page
    bar = card(page, job).get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "10")
    asked = requests_of(page)
    told = {"job_id": job.name, "status": "Running", "progress": 55, "progress_message": "Half"}
    emit(page, "job_progress", **told, updated_at="2026-01-01T00:00:02")
    expect(bar).to_have_attribute("aria-valuenow", "55", timeout=1_000)
    emit(page, "job_progress", **told | {"progress": 20}, updated_at="2026-01-01T00:00:01")
    expect(card(page, job)).to_contain_text("Half")
    expect(bar).to_have_attribute("aria-valuenow", "55")
    assert asked == [], "no request for what the event says"
    set_columns(job, status="Completed", progress=100)
    emit(page, "job_status_changed", job_id=job.name, from_status="Running", to_status="Completed", updated_at="2027")
    expect(pill(card(page, job))).to_have_text("Completed", timeout=2_000)


def test_a_new_job_appears_within_seconds_and_ages_tick_between_requests(visit, portal_user):
    # Seen failing: after ten seconds, and with ages that stand until the next answer.
    visitor = visit(portal_user)
    page = visitor.page
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    expect(page.locator("#jc-connection")).to_have_text("Updates every few seconds")
    job = submitted_by(portal_user, factory.job_type("plain"))
    expect(card(page, job)).to_be_visible(timeout=8_000)
    with_socket(visitor)
    age = card(page, job).locator("time")
    asked, said = requests_of(page), age.text_content()
    expect(age).not_to_have_text(said, timeout=10_000)
    assert asked == []


def test_the_error_of_an_earlier_attempt_is_named_as_such(visit, portal_user, running):
    # Seen failing: as the red error of a job that runs well.
    job = running(progress=98)
    ended = {"background_job": job.name, "attempt": 1, "outcome": "Failed", "error_message": "No answer"}
    committed(runs.write, f"{job.name}-1", ended)
    committed(runs.write, f"{job.name}-2", {"background_job": job.name, "attempt": 2, "progress": 98})
    set_columns(job, attempt=2, retry_count=1, max_retries=3, error_message="No answer", error_type="Transient")
    page = opened(visit, portal_user, job)
    details = page.locator("#jc-details")
    for status in ("Running", "Queued", "Failed", "Canceled"):
        set_columns(job, status=status, completed_at=frappe.utils.now() if status == "Canceled" else None)
        word = "Retrying" if status == "Failed" else status
        expect(pill(details).first).to_have_text(word, timeout=10_000)
        expect(details.locator("> div > .jc-note:visible")).to_have_text("Last error: No answer")
        expect(details.locator(".jc-error")).to_be_hidden()
        expect(details.locator(".jc-facts").last).to_contain_text("Attempt2 of 4")
        expect(details.get_by_role("progressbar")).to_have_count(1 if status == "Running" else 0)
    expect(card(page, job).get_by_role("progressbar")).to_be_hidden()
    # Seen failing: "Attempt 0 failed", of a job that never ran.
    set_columns(job, attempt=0, retry_count=0, error_message="The job it depends on failed")
    page.reload()
    expect(details.locator("> div > .jc-note:visible")).to_have_text("Last error: The job it depends on failed")
    set_columns(job, status="Dead Letter", error_message="No answer")
    page.reload()
    expect(details.locator(".jc-error")).to_have_text("No answer")
    expect(pill(card(page, job))).to_have_text("Failed")


def log_of(*texts: str, level: str = "info") -> str:
    """These lines as the row of an attempt has them."""
    at = "2026-01-02T{:02d}:04:05+00:00"
    lines = [{"logged_at": at.format(number % 24), "level": level, "text": text} for number, text in enumerate(texts)]
    return json.dumps(lines)


def lines_in(page):
    return page.locator("#jc-details .jc-log > li")


def texts_in(page):
    return page.locator("#jc-details .jc-log-text")


def opened(visit, user, job, **options):
    return visit(user, f"{PATH}#{job.name}", **options).page


def test_lines_of_a_running_handler_appear_and_stay_after_its_end(visit, worker, portal_user, tmp_path):
    # Seen failing: without the section, and with the dialog polling `get_job_status`.
    job_type = factory.job_type("logs", "logs", display_name="Import", default_timeout=60)
    lines = [["Read 3 rows"], [HACK, "warning"]]
    job = submitted_by(portal_user, job_type, lines=lines, until=str(tmp_path / "end"), fails=True)
    page = opened(visit, portal_user, job)
    expect(texts_in(page)).to_have_text(["Read 3 rows", HACK], timeout=20_000)
    expect(pill(page.locator("#jc-details")).first).to_have_text("Running")
    expect(lines_in(page).nth(1)).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\s*Warning\s*<img"))
    (tmp_path / "end").touch()
    expect(pill(page.locator("#jc-details")).first).to_have_text("Failed", timeout=20_000)
    expect(lines_in(page)).to_have_count(2)
    assert page.evaluate("window.hacked") is None
    assert page.locator("#jc-details :is(img, b)").count() == 0


def test_lines_are_hidden_when_the_result_is(visit, portal_user, running):
    # Seen failing: with lines that stay although the answer has none.
    admin = factory.user("ada", factory.ALPHA, roles=(), org_role="Admin")
    job = running(log_lines=log_of("private"))
    pages = {user: opened(visit, user, job) for user in (admin, portal_user)}
    for page in pages.values():
        expect(texts_in(page)).to_have_text(["private"])
    set_columns(job, status="Completed", result='{"a": 1}', is_result_private=1)
    expect(pages[admin].locator("#jc-details")).to_contain_text("The result is hidden")
    expect(pages[admin].locator("#jc-details .jc-log")).to_be_hidden()
    assert "private" not in pages[admin].content()
    expect(pages[portal_user].get_by_label("Result", exact=True)).to_be_visible()
    expect(texts_in(pages[portal_user])).to_have_text(["private"])


HACK = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"


def test_texts_of_jobs_never_become_markup(visit, portal_user):
    name = f"Test {HACK}"[:140]
    # As an adapter for other tenants may name them; Frappe's own naming takes no markup.
    frappe.get_doc({"doctype": "Organization", "name": name, "org_name": name, "status": "Active"}).db_insert()
    values = {"user": portal_user, "organization": name, "role": "Member", "status": "Active"}
    frappe.get_doc({"doctype": "Org Member", "name": "test-markup", **values}).db_insert()
    job_type = factory.job_type("plain", display_name=HACK[:140])
    try:
        job = submitted_by(portal_user, job_type, a=HACK)
        set_columns(job, organization=name)
        attempts.taken(job.name, 1)
        steps = json.dumps([{"name": HACK, "state": "active"}])
        values = {"background_job": job.name, "attempt": 1, "progress": 5, "progress_message": HACK, "steps": steps}
        committed(runs.write, f"{job.name}-1", values)
        page = visit(portal_user, f"{PATH}#{job.name}").page
        expect(page.locator("#jc-details .jc-line")).to_have_text(HACK)
        expect(page.locator("#jc-details .jc-values dd")).to_have_text(HACK)
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
        committed(frappe.db.delete, "Organization", {"name": name})


def test_a_session_that_ends_leads_to_the_login(visit, portal_user, running):
    running(progress=10)
    visitor = visit(portal_user)
    page = visitor.page
    expect(page.locator(".jc-card")).to_have_count(1)
    visitor.context.clear_cookies()
    notice = page.locator("#jc-notice")  # by the next request: with a socket, that is one in 15 seconds
    expect(notice).to_contain_text("Your session has expired. Log in again to continue.", timeout=20_000)
    expect(page.get_by_role("link", name="Log in")).to_have_attribute("href", "/login?redirect-to=%2Fjob-center")
    asked = requests_of(page)
    page.wait_for_timeout(2_500)
    assert asked == [], "it does not go on asking"


def test_the_way_to_the_login_stays_when_the_dialog_closes(visit, portal_user, running):
    # Seen failing: an action in the dialog was told of the end, and all went silent when the dialog closed.
    page = visit(portal_user, f"{PATH}#{running(progress=10).name}").page
    page.route("**/*cancel_job*", lambda route: route.fulfill(status=403, json={}))
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel job").click()
    expect(page.get_by_role("dialog").get_by_role("link", name="Log in")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#jc-notice").get_by_role("link", name="Log in")).to_be_visible()


def test_a_lost_network_is_told_and_overcome(visit, portal_user, running):
    job = running(progress=10)
    visitor = visit(portal_user)
    page = visitor.page
    expect(card(page, job)).to_be_visible()
    visitor.context.set_offline(True)
    expect(page.locator("#jc-notice")).to_contain_text("Can't reach the server.")
    expect(page.locator("#jc-connection")).to_have_text("Offline")
    running(job, progress=80)
    visitor.context.set_offline(False)
    expect(card(page, job).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "80")
    expect(page.locator("#jc-notice")).to_be_empty()
