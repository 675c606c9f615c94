"""The dialog of a job shows the lines that its handler logs: the latest attempt's, live, as text, to those who may."""

from __future__ import annotations

import json
import re

import pytest

from dartwing_core.jobs.job import runs
from tests.support import browser as browsers
from tests.support import factory
from tests.support.browser import PHONE
from tests.support.job_center import PATH, card, emit, expect, pill, requests_of, with_socket
from tests.support.jobs import set_columns, submitted_by

HACK = "<img src=x onerror='window.hacked=1'><b>bold</b>"
LEVELS = ("debug", "info", "warning", "error")


def log_of(*texts: str, level: str = "info") -> str:
    """These lines as the row of an attempt has them."""
    at = "2026-01-02T{:02d}:04:05+00:00"
    lines = [{"logged_at": at.format(number % 24), "level": level, "text": text} for number, text in enumerate(texts)]
    return json.dumps(lines)


def numbered(count: int) -> str:
    return log_of(*(f"line {number}" for number in range(count)))


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
    expect(pill(page.locator("#jc-details")).first).to_have_text("Failed for good", timeout=20_000)
    expect(lines_in(page)).to_have_count(2)
    assert page.evaluate("window.hacked") is None
    assert page.locator("#jc-details :is(img, b)").count() == 0


def test_without_a_socket_lines_follow_by_the_polling_that_there_is(visit, portal_user, running):
    # Seen failing: with a request for the status, and another one for the lines.
    job = running(progress=10)
    page = opened(visit, portal_user, job)
    asked = requests_of(page)
    section = page.locator("#jc-details").get_by_role("heading", name="Log")
    expect(page.locator("#jc-details .jc-events > li").first).to_be_visible()
    expect(section).to_be_hidden()
    for count in (1, 3):
        running(job, log_lines=numbered(count))
        expect(lines_in(page)).to_have_count(count)
    expect(section).to_have_text("Log")
    ours = [re.search(r"jobs\.(\w+)", url).group(1) for url in asked if job.name in url]
    assert set(ours) == {"get_job_details"}


def test_the_latest_attempt_that_has_lines_is_shown_by_its_number(visit, portal_user, running):
    # Seen failing: with the lines of the last attempt, of which there are none, and of the first one.
    job = running()
    for attempt, log in ((1, log_of("first")), (2, log_of("second", "third")), (3, None)):
        row = {"background_job": job.name, "attempt": attempt, "outcome": "Failed", "log_lines": log}
        runs.write(f"{job.name}-{attempt}", row)
    set_columns(job, status="Dead Letter", attempt=3)
    other = submitted_by(portal_user, "test_plain")
    page = opened(visit, portal_user, job)
    expect(page.get_by_role("heading", name="Log of attempt 2")).to_be_visible()
    expect(texts_in(page)).to_have_text(["second", "third"])
    page.get_by_role("button", name="Close").click()
    card(page, other).locator(".jc-card-title").click()
    expect(page.locator("#jc-details .jc-events > li").first).to_be_visible()
    expect(page.locator("#jc-details .jc-log")).to_be_hidden()


def test_a_long_log_scrolls_and_stays_where_its_reader_is(visit, portal_user, running):
    # Seen failing: without the scrolling to the end, and with a scrolling to the end at each line.
    job = running(log_lines=numbered(100))
    page = opened(visit, portal_user, job)
    log = page.locator("#jc-details .jc-log")
    expect(lines_in(page)).to_have_count(100)
    assert log.evaluate("(log) => log.clientHeight < 400 && log.scrollHeight > 2 * log.clientHeight")
    running(job, log_lines=numbered(120))
    expect(lines_in(page)).to_have_count(120)
    assert log.evaluate("(log) => log.scrollHeight - log.scrollTop - log.clientHeight < 2"), "the newest is in view"
    log.evaluate("(log) => { log.scrollTop = 40; window.kept = log.children[60]; }")
    running(job, log_lines=numbered(140))
    expect(lines_in(page)).to_have_count(140)
    assert log.evaluate("(log) => log.scrollTop") == 40
    assert log.evaluate("(log) => log.children[60] === window.kept"), "else a selection in it would be lost"
    newest = json.dumps(json.loads(numbered(160))[50:])  # the server drops the oldest lines
    running(job, log_lines=newest)
    expect(texts_in(page).last).to_have_text("line 159")
    expect(lines_in(page)).to_have_count(110)
    assert log.evaluate("(log) => log.children[10] === window.kept")


def test_an_event_that_tells_of_more_lines_has_them_read_once(visit, portal_user, running):
    # Seen failing: without the look at `logged_lines`, and with a request for each event.
    job = running(progress=10)
    visitor = visit(portal_user)
    with_socket(visitor, f"{PATH}#{job.name}")
    page = visitor.page
    expect(page.locator("#jc-details .jc-events > li").first).to_be_visible()
    page.wait_for_timeout(2_500)  # the dialog's last poll from the time without the socket
    running(job, log_lines=numbered(2))
    asked = requests_of(page)
    for number in range(1, 30):
        told = {"progress": 10 + number, "logged_lines": 1 + number % 2, "updated_at": f"2027-01-01T00:00:{number:02d}"}
        emit(page, "job_progress", job_id=job.name, status="Running", **told)
    expect(lines_in(page)).to_have_count(2, timeout=4_000)
    page.wait_for_timeout(2_500)
    assert len(asked) == 1, asked
    assert "get_job_details" in asked[0]
    told = {"progress": 50, "logged_lines": 2, "updated_at": "2027-01-01T00:01:00"}
    emit(page, "job_progress", job_id=job.name, status="Running", **told)
    page.wait_for_timeout(2_500)
    assert len(asked) == 1, "the same number of lines"


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_log_is_readable_for_everybody(visit, portal_user, running, scheme):
    lines = [json.loads(log_of(f"{level} {'word' * 80}", level=level))[0] for level in LEVELS]
    job = running(log_lines=json.dumps(lines * 10))
    page = opened(visit, portal_user, job, color_scheme=scheme, reduced_motion="reduce", viewport=PHONE)
    expect(lines_in(page)).to_have_count(40)
    assert browsers.accessibility_faults(page, "#jc-details") == []
    assert page.evaluate("(d => d.scrollWidth <= d.clientWidth)(document.querySelector('#jc-details'))")
    assert page.evaluate("(log => log.scrollWidth <= log.clientWidth)(document.querySelector('.jc-log'))")
    page.locator(".jc-log").focus()
    expect(page.get_by_role("list", name="Log")).to_be_focused()
