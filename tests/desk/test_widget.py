"""The widget for other apps: it starts a job, shows its bar, and says how it ended."""

from __future__ import annotations

import frappe

from tests.support import browser as browsers
from tests.support import factory
from tests.support.jobs import run, submitted_by

from .pages import dialog, newest

expect = browsers.sync_api.expect


def test_another_form_starts_a_job_and_shows_its_bar_in_three_lines(visit, work, member):
    kind = factory.job_type("slow", "slow")
    page = visit(member, "/app/todo").page
    page.evaluate(
        """([job_type, organization]) => {
        dartwing_core.jobs.start({
            job_type, organization, parameters: { seconds: 4 }, title: "Slow work",
            on_done: (job) => (window.ended = job),
        });
    }""",
        [kind, factory.ALPHA],
    )
    expect(dialog(page)).to_contain_text("Slow work")
    expect(dialog(page)).to_contain_text("Queued")
    expect(dialog(page)).to_contain_text("You can close this dialog. The job goes on.")
    work()
    expect(dialog(page)).to_contain_text("Running", timeout=30_000)
    expect(dialog(page).locator("[role=progressbar]")).to_be_visible()
    page.wait_for_function("window.ended", timeout=30_000)
    assert page.evaluate("window.ended.status") == "Completed"
    expect(dialog(page)).to_contain_text("Completed")
    assert page.evaluate("frappe.realtime.socket.listeners('job_progress').length") == 0


def test_the_widget_says_why_an_attempt_has_failed(visit, member):
    # Seen failing: "Failed, 0 %, Retries at …".
    job = submitted_by(member, factory.job_type("note", "add_note"), title="test widget", then="fail")
    run(job)
    page = visit(member, "/app/todo").page
    page.evaluate("(name) => void dartwing_core.jobs.show_progress(name)", job.name)
    expect(dialog(page)).to_contain_text("Retrying")
    expect(dialog(page).locator(".dw-error")).to_have_text("asked to fail")
    expect(dialog(page).locator(".dw-line")).to_contain_text("Retries")
    expect(dialog(page).locator("[role=progressbar]")).to_be_hidden()


def close(page) -> None:
    expect(dialog(page)).to_contain_text("Queued")
    dialog(page).locator(".btn-modal-close").click()
    expect(dialog(page)).to_have_count(0)


def test_a_toast_leads_to_the_file_of_a_job_whose_dialog_is_closed(visit, member):
    # Seen failing: nothing was said.
    kind = factory.job_type("file", "makes_file")
    page = visit(member, "/app/todo").page
    request = {"job_type": kind, "organization": factory.ALPHA, "parameters": {"content": "x"}, "title": "A <b>list"}
    page.evaluate("(request) => void dartwing_core.jobs.start(request)", request)
    expect(dialog(page)).to_contain_text("A <b>list")
    close(page)
    run(frappe.get_doc("Background Job", newest(kind)))
    toast = page.locator("#alert-container a[href]")
    expect(toast).to_have_text("A <b>list completed")
    assert "download_file" in toast.get_attribute("href")


def test_one_toast_says_why_a_job_has_failed_whose_dialog_is_closed(visit, member):
    for notify_on, text in (("Never", "failed: asked to fail for good"), ("Failure", "failed")):
        kind = factory.job_type(f"note_{notify_on}".lower(), "add_note", notify_on=notify_on)
        job = submitted_by(member, kind, title="test widget", then="fail_for_good")
        page = visit(member, "/app/todo").page
        page.evaluate(
            """(name) => {
            dartwing_core.jobs.show_progress(name, { on_done: () => (window.ended = performance.now()) });
        }""",
            job.name,
        )
        close(page)
        run(job)
        page.wait_for_function("window.ended < performance.now() - 1500")
        toast = page.locator("#alert-container a[href]")
        expect(toast).to_contain_text(text)  # and there is only one
        assert job.name in toast.get_attribute("href")


def test_what_is_refused_is_said_by_the_widget(visit, member):
    page = visit(member, "/app/todo").page
    page.evaluate("() => dartwing_core.jobs.start({ job_type: 'nowhere', organization: 'Test Alpha' })")
    expect(dialog(page)).to_contain_text("Could not submit the job")
    expect(dialog(page)).to_contain_text("Unknown Job Type: nowhere.")


def test_watch_tells_each_change_and_the_end_once(visit, work, member):
    job = submitted_by(member, factory.job_type("slow", "slow"), seconds=3)
    page = visit(member, "/app/todo").page
    page.evaluate(
        """(name) => {
        window.told = []; window.ends = [];
        dartwing_core.jobs.watch(name, {
            on_progress: (job) => told.push(job.status + Math.round(job.progress)),
            on_done: (job) => ends.push(job.status),
        });
    }""",
        job.name,
    )
    page.wait_for_function("window.told.length")
    work()
    page.wait_for_function("window.ends.length", timeout=30_000)
    assert page.evaluate("window.ends") == ["Completed"]
    told = page.evaluate("window.told")
    assert told[0] == "Queued0"
    assert [text for text in told if text.startswith("Running")]
