"""The form of a Background Job on a genuine Desk: live, with what may be done, and plain about what goes wrong."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime

import frappe
import pytest

from dartwing_core.jobs import retry_job, submit_batch
from dartwing_core.jobs.job import runs
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.lib.texts import MASK
from tests.support import attempts, contents, factory
from tests.support import browser as browsers
from tests.support.jobs import run, set_columns, status, submitted_by, submitted_with
from tests.support.secret_rows import GIVEN, typed
from tests.support.sessions import as_user, committed
from tests.support.waiting import until

from .pages import ROWS, arrive, button, calls_of, confirm, dialog, form, row, view

expect = browsers.sync_api.expect
HACK = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"


def pill(place):
    return place.locator(".dw-head .indicator-pill")


def dead_letter(owner: str, **parameters):
    kind = factory.job_type("note", "add_note")
    job = submitted_by(owner, kind, title="test desk", then="fail_for_good", **parameters)
    run(job)
    return job


def test_a_form_follows_its_job_to_the_end_without_a_reload(visit, work, member):
    job = submitted_by(member, factory.job_type("slow", "slow", display_name="Slow work"), seconds=6)
    page = visit(member, form(job)).page
    place = view(page)
    expect(pill(place)).to_have_text("Queued")
    work()
    expect(pill(place)).to_have_text("Running", timeout=30_000)
    page.evaluate("""() => {
        window.seen = new Set();
        const bar = document.querySelector(".dw-job [role=progressbar]");
        new MutationObserver(() => window.seen.add(Number(bar.getAttribute("aria-valuenow"))))
            .observe(bar, { attributes: true });
    }""")
    called = calls_of(page)
    expect(pill(place)).to_have_text("Completed", timeout=30_000)
    expect(page.locator(".page-head:visible .indicator-pill").first).to_have_text("Completed")
    seen = page.evaluate("[...window.seen]")
    assert len([percent for percent in seen if 0 < percent < 100]) >= 3, seen
    assert len(called) <= 3, "the socket told of the progress"
    expect(place.locator(".dw-timeline > li")).to_have_count(1)


def test_the_form_lists_the_files_of_its_job(visit, member):
    job = submitted_by(member, factory.job_type("files", "makes_files"), steps=[["<b>1.txt", "b & c.txt"]])
    page = visit(member, form(job)).page
    expect(pill(view(page))).to_have_text("Queued")
    run(job)
    files = view(page).locator(".dw-files a")
    expect(files).to_have_text(["<b>1.txt", "b & c.txt"])
    with page.expect_download() as download:
        files.nth(1).click()
    assert download.value.suggested_filename == "b & c.txt"
    assert download.value.path().read_text() == "1"


def test_progress_reaches_the_form_within_a_second(visit, member):
    from dartwing_core.jobs.job.events import AttemptPublisher

    job = submitted_by(member, factory.job_type("plain"))
    attempts.taken(job.name, 1)
    frappe.db.commit()
    page = visit(member, form(job)).page
    expect(pill(view(page))).to_have_text("Running")
    publisher, took = AttemptPublisher(job.as_dict()), []
    for percent in (20, 40, 60, 80):
        began = time.monotonic()
        publisher.publish((percent, f"Row {percent}", None, 0), is_last=True)
        expect(view(page).locator(".dw-line")).to_have_text(f"Row {percent}")
        took.append(time.monotonic() - began)
    assert max(took) < 1, took


def test_the_log_of_a_running_job_grows_in_its_form(visit, work, member, tmp_path):
    end = tmp_path / "end"
    lines = [["read"], [HACK, "warning"]]
    job = submitted_by(member, factory.job_type("logs", "logs"), lines=lines, until=str(end))
    page = visit(member, form(job)).page
    work()
    shown = view(page).locator(".dw-log li")
    expect(shown).to_have_count(2, timeout=30_000)
    end.touch()
    view(page).get_by_text("Log of attempt 1").click()
    expect(shown.last).to_contain_text("Warning")
    expect(shown.last).to_contain_text("<img src=x")
    assert page.evaluate("window.hacked") is None


def test_a_waiting_job_says_why_and_is_canceled(visit, member):
    job = submitted_by(member, factory.job_type("plain"))
    page = visit(member, form(job)).page
    place = view(page)
    expect(place.locator(".dw-line")).to_contain_text("No worker serves the queue")
    button(place, "Cancel").click()
    expect(dialog(page)).to_contain_text("It will not run.")
    confirm(page)
    expect(pill(place)).to_have_text("Canceled")
    expect(button(place, "Cancel")).to_have_count(0)
    assert status(job) == "Canceled"


def test_a_dead_letter_is_retried(visit, member):
    job = dead_letter(member)
    page = visit(member, form(job)).page
    place = view(page)
    expect(place.locator(".dw-outcome")).to_contain_text("asked to fail for good")
    button(place, "Retry").click()
    confirm(page)
    expect(pill(place)).to_have_text("Queued")
    assert status(job) == "Queued"


def test_parameters_are_edited_and_the_job_retried(visit, work, member):
    job = dead_letter(member)
    page = visit(member, form(job)).page
    button(view(page), "Edit and retry").click()
    shown = dialog(page)
    expect(shown.locator(".ace_content")).to_contain_text("fail_for_good")
    page.wait_for_function("window.cur_dialog")
    page.evaluate("""() => cur_dialog.set_value("_parameters", '[1]')""")
    shown.get_by_role("button", name="Retry").click()
    expect(page.locator(".desk-alert")).to_contain_text("must be a JSON object")
    page.evaluate("""() => cur_dialog.set_value("_parameters", '{"title": "test edited"}')""")
    work()
    shown.get_by_role("button", name="Retry").click()
    place = view(page)
    expect(pill(place)).to_have_text("Completed", timeout=30_000)
    expect(place.locator(".dw-data")).to_contain_text("test edited")
    assert frappe.db.exists("Note", {"title": "test edited"})
    place.get_by_text("Parameters up to attempt 1").click()
    expect(place.locator(".dw-timeline > li").last).to_contain_text("fail_for_good")
    place.get_by_text("History").click()
    changed = place.locator(".dw-history tr", has_text="Retried with other parameters: then, title")
    expect(changed).to_contain_text(member)


def edit_form(visit, member, job):
    """The page with the dialog that edits the failed job."""
    set_columns(job, status="Dead Letter")
    page = visit(member, form(job)).page
    button(view(page), "Edit and retry").click()
    page.wait_for_function("window.cur_dialog?.get_values(true)")
    return page


PARAMETERS = {
    "type": "object",
    "required": ["who"],
    "properties": {
        "who": {"type": "string", "title": "Whom it is for"},
        "share": {"type": "number"},
        "at": {"type": "string", "format": "date-time"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "lines": {"type": "array"},
        "copies": {"type": "integer", "default": 2},
        "kind": {"enum": [1, 2]},
    },
}
STORED = {"who": "Ann", "share": 0.12345678, "at": "2026-01-31T09:30:00+05:00", "note": None, "lines": [{"n": 1.0}]}


def test_parameters_that_the_type_declares_are_edited_in_fields_of_their_own(visit, member):
    kind = factory.job_type("plain", parameters_schema=json.dumps(PARAMETERS))
    job = submitted_by(member, kind, **STORED, kind=2)
    at = clock.site_time(datetime.fromisoformat("2026-01-31T09:30:00+05:00").timestamp())
    page = edit_form(visit, member, job)
    expect(dialog(page).locator(".ace_content")).to_contain_text('"n": 1')
    expect(dialog(page).locator("[data-fieldname=at] input")).to_have_value(re.compile(f"{at:%H:%M:%S}"))
    dialog(page).locator("[data-fieldname=who] input").fill("Bea")
    dialog(page).locator("[data-fieldname=kind] select").select_option("1")
    dialog(page).get_by_role("button", name="Retry").click()
    expect(pill(view(page))).to_have_text("Queued")
    assert contents.parameters(job.name) == {**STORED, "who": "Bea", "kind": 1}


def test_a_secret_that_is_left_alone_stays(visit, member):
    job = submitted_by(member, typed("with_secret"), **GIVEN)
    before = contents.parameters(job.name)
    page = edit_form(visit, member, job)
    shown = dialog(page)
    expect(shown.locator("[data-fieldname=token] input")).to_have_value(MASK)
    shown.locator("[data-fieldname=url] input").fill("https://example.org")
    shown.get_by_role("button", name="Retry").click()
    refusal = page.locator(".modal.show", has_text="Could not retry the job")
    expect(refusal).to_contain_text("token: enter the secret itself")
    refusal.locator(".btn-modal-close").click()
    shown.locator("[data-fieldname=url] input").fill(GIVEN["url"])
    shown.get_by_role("button", name="Retry").click()
    expect(pill(view(page))).to_have_text("Queued")
    assert contents.parameters(job.name) == before


def test_the_error_of_an_earlier_attempt_is_said_to_be_that(visit, member):
    job = submitted_by(member, factory.job_type("note", "add_note", max_retries=3), title="test desk", then="fail")
    run(job)
    set_columns(job, progress=98, progress_message="Row 98")
    page = visit(member, form(job)).page
    place = view(page)
    expect(place.locator(".dw-head")).to_have_text("Retryingattempt 2 of 4")
    expect(place.locator(".dw-outcome")).to_have_text("Attempt 1 failed: asked to fail")
    expect(place.locator(".dw-outcome .dw-error")).to_have_count(0)
    button(place, "Cancel").click()
    confirm(page)
    expect(pill(place)).to_have_text("Canceled")
    expect(place.get_by_role("progressbar")).to_be_hidden()
    expect(place.locator(".dw-line")).to_be_hidden()


def test_steps_stay_and_say_where_the_attempt_has_ended(visit, member):
    job = submitted_by(member, factory.job_type("says", "says"), text="read", then="fail_for_good")
    run(job)
    steps = view(visit(member, form(job)).page).locator(".dw-step")
    expect(steps).to_have_text(["read", "another"])
    assert steps.evaluate_all("all => all.map(({ title }) => title)") == ["stopped", "not started"]


def test_what_is_refused_shows_the_job_as_it_is(visit, member):
    # Seen failing: the button stayed, to be refused again.
    job = dead_letter(member)
    page = visit(member, form(job)).page
    button(view(page), "Retry").click()
    page.evaluate("() => frappe.realtime.off('job_status_changed')")  # an event is lost
    committed(retry_job, job.name)
    confirm(page)
    expect(dialog(page)).to_contain_text("Could not retry the job")
    expect(pill(view(page))).to_have_text("Queued")
    expect(button(view(page), "Retry")).to_have_count(0)


def test_a_job_for_later_is_rescheduled_and_run_now(visit, member):
    kind = factory.job_type("plain")
    job = as_user(member, submitted_with, kind, available_at=3_600)
    page = visit(member, form(job)).page
    place = view(page)
    expect(place.locator(".dw-line")).to_contain_text("in 60 min")
    button(place, "Reschedule").click()
    page.wait_for_function("window.cur_dialog")
    page.evaluate("() => cur_dialog.set_value('available_at', frappe.datetime.add_days(frappe.datetime.nowdate(), 3))")
    dialog(page).get_by_role("button", name="Reschedule").click()
    expect(place.locator(".dw-line")).to_contain_text(re.compile(r"in [23] days"))
    expect(dialog(page)).to_have_count(0)
    button(place, "Run now").click()
    confirm(page)
    expect(pill(place)).to_have_text("Queued")
    assert status(job) == "Queued"


def test_tracebacks_and_deleting_are_for_those_who_may(visit, member, manager):
    job = dead_letter(member)
    place = view(visit(member, form(job)).page)
    expect(place.locator(".dw-timeline")).to_contain_text("asked to fail for good")
    expect(place.locator(".dw-timeline summary")).to_have_count(0)
    expect(button(place, "Delete")).to_have_count(0)
    page = visit(manager, form(job)).page
    place = view(page)
    place.locator(".dw-timeline summary").click()
    expect(place.locator(".dw-timeline pre")).to_contain_text("Traceback")
    button(place, "Delete").click()
    confirm(page)
    arrive(page, "background-job")
    until(lambda: not frappe.db.rollback() and not frappe.db.exists("Background Job", job.name), 10, "its end")


def test_a_socket_that_drops_is_said_and_asking_takes_its_place(visit, member):
    job = submitted_by(member, factory.job_type("plain"))
    page = visit(member, form(job)).page
    place = view(page)
    expect(pill(place)).to_have_text("Queued")
    expect(place.locator(".dw-notice")).to_be_hidden()
    page.evaluate("""() => {
        frappe.realtime.socket.connect = () => {};
        frappe.realtime.socket.disconnect();
    }""")
    expect(place.locator(".dw-notice")).to_contain_text("No live connection")
    attempts.taken(job.name, 1)
    runs.write(f"{job.name}-1", {"background_job": job.name, "attempt": 1, "progress_message": "Half"})
    frappe.db.commit()
    expect(pill(place)).to_have_text("Running", timeout=10_000)
    expect(place.locator(".dw-line")).to_have_text("Half")


def test_a_session_that_ends_is_said(visit, member):
    job = submitted_by(member, factory.job_type("plain"))
    visitor = visit(member, form(job))
    place = view(visitor.page)
    expect(pill(place)).to_have_text("Queued")
    visitor.context.clear_cookies()
    visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(place.locator(".dw-notice")).to_contain_text("Your session has ended")
    expect(button(place, "Reload")).to_be_visible()


def test_a_form_that_was_left_asks_and_listens_no_more(visit, member):
    first, second = (submitted_by(member, factory.job_type(name)) for name in ("plain", "other"))
    page = visit(member, form(first)).page
    expect(pill(view(page))).to_have_text("Queued")
    listeners = "() => frappe.realtime.socket.listeners('job_status_changed').length"
    assert page.evaluate(listeners) == 1
    page.evaluate("(name) => frappe.set_route('Form', 'Background Job', name)", second.name)
    expect(page.locator(".page-head:visible")).to_contain_text("test_other")
    expect(pill(view(page))).to_be_visible()
    assert page.evaluate(listeners) == 1, "that of the second"
    page.evaluate("frappe.set_route('List', 'Job Type')")
    arrive(page, "job-type")
    page.wait_for_load_state("networkidle")  # Desk's list stumbles over a form that comes before its own title
    assert page.evaluate(listeners) == 0
    page.evaluate("history.back()")
    expect(pill(view(page))).to_be_visible()
    assert page.evaluate(listeners) == 1
    retried = dead_letter(member)
    page.evaluate("(name) => frappe.set_route('Form', 'Background Job', name)", retried.name)
    expect(pill(view(page))).to_have_text("Failed")
    committed(retry_job, retried.name)
    expect(pill(view(page))).to_have_text("Queued", timeout=5_000)


def test_texts_of_a_job_are_shown_as_text(visit, member):
    job = dead_letter(member, text=HACK)
    set_columns(job, job_title=HACK, error_message=HACK, progress_message=HACK, output_reference=HACK)
    page = visit(member, "/app/background-job").page
    row(page, job).get_by_role("link", name="<img src=x").click()
    expect(view(page).locator(".dw-outcome")).to_contain_text("onerror")
    expect(view(page).locator(".dw-data")).to_contain_text("onerror")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize(
    ("address", "shows"),
    [
        ("/app/background-job-run/{job}-1", ".form-page"),
        ("/app/job-execution-log?background_job={job}", ROWS),
        ("/app/background-job/view/report?name={job}", ".datatable .dt-row-0"),
        ("/app/job-batch/{batch}", ".form-page"),
        ("/app/job-batch?name={batch}", ROWS),
        ("/app/query-report/Failed Jobs by Error?organization=Test Alpha", ".datatable .dt-row-0"),
    ],
)
def test_texts_of_the_engine_are_shown_as_text_wherever_frappe_shows_them(visit, manager, address, shows):
    # Seen failing without `show_as_text`: Frappe takes what is in columns of text for HTML that was cleaned.
    frappe.set_user(manager)
    jobs = [
        {"job_type": factory.job_type("note", "add_note"), "parameters": {"title": "test x", "then": "fail_for_good"}}
    ]
    batch = committed(submit_batch, factory.ALPHA, jobs)
    job = frappe.get_doc("Background Job", {"parent_batch": batch.name})
    run(job)
    for doctype in contents.TEXTS:
        contents.fill(doctype, job.name, batch.name, lambda _field: f'"{HACK}"')
    fields = [["name", "Background Job"], ["error_message", "Background Job"], ["input_parameters", "Background Job"]]
    settings = json.dumps({"Report": {"fields": fields}, "List": {}})
    from frappe.model.utils.user_settings import save

    save("Background Job", settings)
    frappe.db.commit()
    frappe.set_user("Administrator")
    page = visit(manager, address.format(job=job.name, batch=batch.name)).page
    expect(page.locator(shows).first).to_contain_text("onerror")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"width": 390, "height": 844}, {"width": 1400, "height": 900}])
def test_a_form_fits_the_window_and_is_accessible(browser, web, member, size, theme):
    job = dead_letter(member, text="x" * 400)
    visitor = browsers.Visitor(browser, web, member, host="127.0.0.1", viewport=size)
    visitor.page.goto(form(job))
    expect(pill(view(visitor.page))).to_be_visible()
    visitor.page.evaluate("(theme) => document.documentElement.setAttribute('data-theme', theme)", theme)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert browsers.accessibility_faults(visitor.page, ".dw-job") == []
    visitor.close()
