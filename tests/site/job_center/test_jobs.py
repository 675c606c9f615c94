"""Real jobs are watched, downloaded, canceled, retried and started from the job center."""

from __future__ import annotations

import re

from tests.support import factory
from tests.support.job_center import card, expect, pill
from tests.support.jobs import status, submitted_by, submitted_with
from tests.support.sessions import as_user
from tests.support.waiting import until


def test_a_job_is_watched_to_its_end_and_its_file_downloaded(visit, worker, portal_user, tmp_path):
    # Seen failing: without the poll of the list, and with the handler's URL left unquoted in `output_url`.
    visitor = visit(portal_user)
    page = visitor.page
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    file = submitted_by(portal_user, factory.job_type("file", "makes_file"), content="Grüße aus dem Job")
    slow = factory.job_type("slow", "goes_on", display_name="Slow work")
    job = submitted_by(portal_user, slow, until=str(tmp_path / "end"))
    page.reload()
    bar = card(page, job).get_by_role("progressbar", name="Progress: Slow work")
    expect(bar).to_be_visible(timeout=15_000)
    page.evaluate(
        """(bar) => {
        window.seen = new Set();
        const note = () => window.seen.add(bar.getAttribute("aria-valuenow"));
        new MutationObserver(note).observe(bar, { attributes: true });
    }""",
        bar.element_handle(),
    )
    # By `evaluate`: the page's policy keeps playwright from compiling what it waits for.
    until(lambda: page.evaluate("window.seen.size >= 2"), 30, "two values of the bar")
    (tmp_path / "end").touch()
    expect(pill(card(page, job))).to_have_text("Completed", timeout=20_000)
    expect(page.locator("#jc-said")).to_have_text("Slow work: Completed")
    expect(bar).to_be_hidden()
    seen = page.evaluate("[...window.seen].map(Number)")
    assert seen, "how many depends on the machine"
    assert seen == sorted(seen)
    with page.expect_download() as download:
        card(page, file).get_by_role("link", name="Download").click()
    assert download.value.failure() is None, download.value.url
    assert download.value.path().read_text() == "Grüße aus dem Job"


def test_a_running_job_is_canceled_after_a_question(visit, worker, portal_user):
    job_type = factory.job_type("slow", "slow", display_name="Slow work", default_timeout=120)
    job = submitted_by(portal_user, job_type, seconds=60)
    page = visit(portal_user).page
    expect(pill(card(page, job))).to_have_text("Running")
    cancel = card(page, job).get_by_role("button", name="Cancel: Slow work")
    cancel.click()
    question = page.get_by_role("dialog", name="Cancel Slow work?")
    expect(question.get_by_role("button", name="Keep job")).to_be_focused()
    question.get_by_role("button", name="Keep job").click()
    expect(question).to_be_hidden()
    assert status(job) == "Running"
    cancel.click()
    question.get_by_role("button", name="Cancel job").click()
    expect(pill(card(page, job))).to_have_text(re.compile("Stopping|Canceled"))
    expect(pill(card(page, job))).to_have_text("Canceled", timeout=20_000)
    expect(cancel).to_be_hidden()
    assert status(job) == "Canceled"


def test_a_failed_job_is_retried(visit, worker, portal_user):
    parameters = {"duration": 0.2, "fail_type": "permanent", "fail_attempts": 1}
    handler = "dartwing_core.handlers.samples.sample_job"
    job = submitted_by(portal_user, factory.job_type("sample", handler, display_name="Sample"), **parameters)
    until(lambda: status(job) == "Dead Letter", 20, "its failure")
    page = visit(portal_user).page
    expect(card(page, job)).to_contain_text("Failed at 50 %, as asked")
    card(page, job).get_by_role("button", name="Sample", exact=True).click()
    details = page.get_by_role("dialog", name="Sample")
    details.get_by_role("button", name="Retry: Sample").click()
    expect(pill(details).first).to_have_text("Completed", timeout=20_000)
    expect(details.locator(".jc-events > li").first).to_contain_text("Job completed successfully")
    expect(details.get_by_label("Result", exact=True)).to_contain_text('"attempt": 2')
    expect(details.locator(".jc-facts")).to_contain_text("1 of 3 (2 in all)")


def test_a_job_that_waits_for_its_time_is_run_now(visit, worker, portal_user):
    # Seen failing (Queued for half a minute) without the poll that follows an action.
    job = as_user(portal_user, submitted_with, "echo_job", parameters={"n": 1}, available_at=3_600)
    page = visit(portal_user).page
    expect(card(page, job)).to_contain_text("Starts at")
    now = card(page, job).get_by_role("button", name="Run now")
    now.click()
    expect(pill(card(page, job))).to_have_text("Completed", timeout=20_000)
    expect(now).to_be_hidden()
