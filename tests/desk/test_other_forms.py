"""The forms of Job Type, Job Batch and Organization, and the widget for other apps, on a genuine Desk."""

from __future__ import annotations

import json
import re

import frappe
import pytest

from dartwing_core.jobs import cancel_batch, manually_close_circuit, submit_batch
from dartwing_core.jobs.base import clock
from dartwing_core.jobs.store import circuits
from dartwing_core.wall.frappe_version import IS_15
from tests.support import browser as browsers
from tests.support import factory, named, schedules
from tests.support.jobs import run, set_columns, submitted_by, submitted_for
from tests.support.waiting import until

from .pages import ROWS, arrive, calls_of, confirm, dialog, ours, row, view

expect = browsers.sync_api.expect


def button(place, name: str):
    return place.get_by_role("button", name=name, exact=True)


def figure(place, label: str):
    return place.locator(".dw-figure", has_text=label).locator(".dw-value")


def newest(job_type: str) -> str | None:
    frappe.db.rollback()
    found = frappe.get_all(
        "Background Job", filters={"job_type": job_type}, order_by="name desc", limit=1, pluck="name"
    )
    return found[0] if found else None


def choose_organization(page) -> None:
    page.wait_for_function("window.cur_dialog")
    page.evaluate("(name) => cur_dialog.set_value('_organization', name)", factory.ALPHA)


# Job Type ------------------------------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "required": ["title"],
    "properties": {
        "title": {"type": "string", "description": "Of the note"},
        "then": {"enum": ["return", "fail_for_good"], "default": "return"},
        "urgent": {"type": "boolean"},
        "copies": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}


def test_a_job_is_run_with_a_dialog_made_of_the_schema(visit, work, member):
    kind = factory.job_type("note", "add_note", parameters_schema=json.dumps(SCHEMA), display_name="Make a note")
    frappe.db.commit()
    page = visit(member, f"/app/job-type/{kind}").page
    button(view(page), "Run").click()
    shown = dialog(page)
    expect(shown).to_contain_text("Run Make a note")
    expect(shown).to_contain_text("Of the note")
    choose_organization(page)
    shown.get_by_role("button", name="Run").click()
    expect(page.locator(".modal.show", has_text="Missing Values Required")).to_be_visible()
    page.locator(".modal.show", has_text="Missing Values Required").locator(".btn-modal-close").click()
    page.evaluate("""() => cur_dialog.set_values({ title: "test run", urgent: 1, copies: 2, tags: '["a", "b"]' })""")
    shown.get_by_role("button", name="Run").click()
    job = until(lambda: newest(kind), 15, "the job")
    parameters = json.loads(frappe.db.get_value("Background Job", job, "input_parameters"))
    assert parameters == {"title": "test run", "then": "return", "urgent": True, "copies": 2, "tags": ["a", "b"]}
    expect(view(page).locator(".dw-jobs")).to_contain_text(job)


ODD = "<img src=x onerror='window.hacked=1'>"
ODD_SCHEMA = {
    "type": "object",
    "properties": {
        "none": {"type": "integer"},
        "zero": {"type": "integer", "title": f"Zero {ODD}", "description": f"Of {ODD}"},
        "half": {"type": "number"},
        "size": {"enum": [1, 2, 3], "default": 2},
        "exact": {"enum": [True, False]},
        "word": {"enum": ["a", f"b {ODD}", "1"]},
        "open": {"enum": ["x", None]},
        "list": {"type": "array", "title": f"List {ODD}"},
    },
}


def test_values_and_texts_of_a_schema_stay_what_they_are(visit, member):
    # Seen failing: 0 was left out, numbers to choose from came as text; titles, choices and the schema were HTML.
    kind = factory.job_type("plain", parameters_schema=json.dumps(ODD_SCHEMA))
    frappe.db.commit()
    page = visit(member, f"/app/job-type/{kind}").page
    button(view(page), "Run").click()
    choose_organization(page)
    expect(dialog(page)).to_contain_text(f"Zero {ODD}")
    expect(dialog(page)).to_contain_text(f"Of {ODD}")
    page.evaluate("() => cur_dialog.set_values({ zero: 0, half: 0, exact: 'false', list: '[' })")
    dialog(page).locator("[data-fieldname=word] select").select_option(label=f"b {ODD}")
    dialog(page).get_by_role("button", name="Run").click()
    expect(page.locator(".desk-alert")).to_contain_text(f"List {ODD} is no valid JSON")
    page.evaluate("() => cur_dialog.set_value('list', '')")
    dialog(page).get_by_role("button", name="Run").click()
    job = until(lambda: newest(kind), 15, "the job")
    parameters = json.loads(frappe.db.get_value("Background Job", job, "input_parameters"))
    assert parameters == {"zero": 0, "half": 0, "size": 2, "exact": False, "word": f"b {ODD}"}
    assert page.evaluate("window.hacked") is None


def test_a_double_click_submits_once(visit, member):
    # Seen failing: two jobs.
    kind = factory.job_type("plain")
    frappe.db.commit()
    page = visit(member, f"/app/job-type/{kind}").page
    button(view(page), "Run").click()
    choose_organization(page)
    called = calls_of(page)
    dialog(page).get_by_role("button", name="Run").dblclick()
    until(lambda: newest(kind), 15, "the job")
    expect(dialog(page)).to_have_count(0)
    page.wait_for_load_state("networkidle")
    assert ours(called).count("submit_job") == 1
    assert frappe.db.count("Background Job", {"job_type": kind}) == 1


def test_long_errors_in_lists_of_jobs_are_clipped(visit, member):
    kind = factory.job_type("plain")
    job = submitted_by(member, kind)
    error = "It went wrong. " * 300
    set_columns(job, status="Dead Letter", error_message=error)
    page = visit(member, f"/app/job-type/{kind}").page
    line = view(page).locator(".dw-jobs .dw-wide")
    expect(line).to_have_attribute("title", error)
    assert line.bounding_box()["height"] < 60


def test_the_dialog_of_a_seeded_type_is_made_of_its_handlers_parameters(visit, member):
    page = visit(member, "/app/job-type/sample_job").page
    button(view(page), "Run").click()
    expect(dialog(page)).to_contain_text("Seconds of work")
    choose_organization(page)
    page.evaluate("() => cur_dialog.set_values({ duration: 0.2, fail_type: 'permanent' })")
    dialog(page).get_by_role("button", name="Run").click()
    job = until(lambda: newest("sample_job"), 15, "the job")
    parameters = json.loads(frappe.db.get_value("Background Job", job, "input_parameters"))
    assert parameters == {"duration": 0.2, "fail_type": "permanent", "fail_at_progress": 50}


def test_a_type_without_a_schema_takes_json(visit, member):
    kind = factory.job_type("plain")
    frappe.db.commit()
    page = visit(member, f"/app/job-type/{kind}").page
    button(view(page), "Run").click()
    choose_organization(page)
    page.evaluate("""() => cur_dialog.set_value("_parameters", '{"n": 1')""")
    dialog(page).get_by_role("button", name="Run").click()
    expect(page.locator(".desk-alert")).to_contain_text("no valid JSON")
    page.evaluate("""() => cur_dialog.set_value("_parameters", '{"n": 1}')""")
    dialog(page).get_by_role("button", name="Run").click()
    assert until(lambda: newest(kind), 15, "the job")


def test_a_types_form_shows_how_its_jobs_fare_with_one_request(visit, member):
    kind = factory.job_type("note", "add_note")
    run(submitted_by(member, kind, title="test good"))
    run(submitted_by(member, kind, title="test bad", then="fail_for_good"))
    submitted_by(member, kind, title="test waiting")
    visitor = visit(member, "/app/job-type")
    expect(visitor.page.locator(ROWS).first).to_be_visible()
    called = calls_of(visitor.page)
    visitor.page.evaluate("(name) => frappe.set_route('Form', 'Job Type', name)", kind)
    place = view(visitor.page)
    expect(figure(place, "Waiting")).to_have_text("1")
    expect(figure(place, "Failure rate")).to_have_text("50 %")
    expect(figure(place, "Dead letters")).to_have_text("1")
    expect(figure(place, "95th percentile")).to_contain_text("s")
    expect(place.locator(".dw-jobs > li")).to_have_count(3)
    assert ours(called) == ["get_job_type_overview"]


OVERVIEW = "**/*.get_job_type_overview?*"
SOONER = """() => {
    const later = window.setTimeout;
    window.setTimeout = (work, ms, ...more) => later(work, ms === 10_000 ? 1_500 : ms, ...more);
}"""


@pytest.mark.parametrize("leaves", ["before the answers", "after the answers"])
def test_a_form_that_was_left_asks_no_more_though_it_was_refreshed_twice(visit, member, leaves):
    kind = factory.job_type("plain")
    frappe.db.commit()
    page = visit(member, f"/app/job-type/{kind}").page
    expect(figure(view(page), "Running")).to_have_text("0")
    page.evaluate(SOONER)
    held: list = []
    page.route(OVERVIEW, lambda route: held.append(route))
    for _time in range(2):
        with page.expect_request(OVERVIEW):
            page.evaluate("() => void cur_frm.refresh()")

    def answer() -> None:
        for route in held:
            route.fulfill(status=503, json={})

    def leave() -> None:
        page.evaluate("frappe.set_route('List', 'Job Type')")
        arrive(page, "job-type")

    if leaves == "before the answers":
        leave()
        called = calls_of(page)
        answer()
    else:
        answer()
        expect(view(page).locator("..").locator(".dw-notice")).to_contain_text("busy")
        leave()
        called = calls_of(page)
    page.wait_for_timeout(3_000)  # twice as long as it takes to ask again
    assert ours(called) == []


def test_a_type_is_paused_and_resumed_by_who_may_change_it(visit, member, manager):
    kind = factory.job_type("plain")
    frappe.db.commit()
    page = visit(member, f"/app/job-type/{kind}").page
    expect(button(view(page), "Run")).to_be_visible()
    expect(button(view(page), "Pause")).to_have_count(0)
    page = visit(manager, f"/app/job-type/{kind}").page
    button(view(page), "Pause").click()
    expect(view(page)).to_contain_text("new jobs are accepted, and wait")
    until(lambda: not frappe.db.rollback() and frappe.db.get_value("Job Type", kind, "is_paused"), 10, "the pause")
    button(view(page), "Resume").click()
    expect(button(view(page), "Pause")).to_be_visible()


def test_an_open_circuit_is_shown_and_closed_by_an_admin(visit, member, admin):
    kind = factory.job_type("plain", enable_circuit_breaker=1)
    circuits.open_anew(
        {"job_type": kind, "organization": factory.ALPHA},
        circuits.Tally(10, 8, None, None, None),
        clock.now_epoch() + 600,
    )
    frappe.db.commit()
    place = view(visit(member, f"/app/job-type/{kind}").page)
    expect(button(place, "Run")).to_be_visible()
    expect(place.locator(".dw-circuit")).to_have_count(0)
    page = visit(admin, f"/app/job-type/{kind}").page
    expect(view(page).locator(".dw-circuit")).to_contain_text(factory.title_of(factory.ALPHA))
    expect(view(page).locator(".dw-circuit")).to_contain_text("Open")
    button(view(page).locator(".dw-circuit"), "Close").click()
    confirm(page)
    expect(page.locator("#alert-container")).to_contain_text("Circuit closed")
    expect(view(page).locator(".dw-circuit")).to_have_count(0)


def test_admins_hear_of_circuits_and_of_a_full_queue_wherever_they_are(visit, member, admin):
    kind = factory.job_type("plain", enable_circuit_breaker=1)
    opened = circuits.Tally(10, 8, None, None, None)
    circuits.open_anew({"job_type": kind, "organization": factory.ALPHA}, opened, clock.now_epoch() + 600)
    frappe.db.commit()
    page = visit(admin, "/app/note").page
    others = visit(member, "/app/note").page
    manually_close_circuit(kind, factory.ALPHA)
    frappe.db.commit()
    title = factory.title_of(factory.ALPHA)
    expect(page.locator("#alert-container")).to_contain_text(f"Jobs of type {kind} run again in {title}.")
    organization = frappe.get_doc("Organization", factory.ALPHA)
    organization.update({"max_waiting": 1, "on_queue_full": "Warn"}).save()
    frappe.db.commit()
    try:
        for number in range(2):
            submitted_by(member, kind, n=number)
    finally:
        organization.update({"max_waiting": 0, "on_queue_full": "Reject"}).save()
        frappe.db.commit()
    expect(page.locator("#alert-container")).to_contain_text(f"More than 1 jobs of {title} are waiting.")
    expect(others.locator(".desk-alert")).to_have_count(0)


# Job Batch and Organization -------------------------------------------------------------------------------------------


def test_a_batch_shows_how_far_it_is_and_is_retried(visit, member):
    kind = factory.job_type("note", "add_note")
    jobs = [
        {"job_type": kind, "parameters": {"title": f"test {then}", "then": then}}
        for then in ("return", "fail_for_good")
    ]
    frappe.set_user(member)
    batch = submit_batch(factory.ALPHA, jobs, description="March import")
    frappe.db.commit()
    frappe.set_user("Administrator")
    page = visit(member, f"/app/job-batch/{batch.name}").page
    place = view(page)
    expect(figure(place, "Queued")).to_have_text("2")
    expect(button(place, "Cancel")).to_be_visible()
    for name in frappe.get_all("Background Job", filters={"parent_batch": batch.name}, pluck="name"):
        run(frappe.get_doc("Background Job", name))
    expect(place.locator(".indicator-pill").first).to_have_text("Failed", timeout=20_000)
    expect(figure(place, "Dead Letter")).to_have_text("1")
    button(place, "Retry failed jobs").click()
    confirm(page)
    expect(place.locator(".indicator-pill").first).to_have_text("Running")
    button(place, "Cancel").click()
    confirm(page)
    expect(place.locator(".indicator-pill").first).to_have_text("Canceled", timeout=20_000)


def test_a_batch_that_has_ended_meanwhile_offers_nothing_more(visit, member):
    # Seen failing: its buttons stayed until it was asked for again, some seconds later.
    kind = factory.job_type("plain")
    frappe.set_user(member)
    batch = submit_batch(factory.ALPHA, [{"job_type": kind}])
    frappe.db.commit()
    frappe.set_user("Administrator")
    page = visit(member, f"/app/job-batch/{batch.name}").page
    button(view(page), "Cancel").click()
    page.evaluate("() => cur_frm.batch_page.close()")  # it asks no more by itself
    cancel_batch(batch.name)
    frappe.db.commit()
    confirm(page)
    expect(dialog(page)).to_contain_text("Not done")
    expect(view(page).locator(".indicator-pill").first).to_have_text("Canceled")
    expect(button(view(page), "Cancel")).to_have_count(0)


def test_an_organization_shows_its_jobs_and_is_paused(visit, member, manager):
    submitted_by(member, factory.job_type("plain"))
    page = visit(member, f"/app/organization/{factory.ALPHA}").page
    expect(figure(view(page), "Waiting")).to_have_text("1")
    expect(button(view(page), "Pause jobs")).to_have_count(0)
    page = visit(manager, f"/app/organization/{factory.ALPHA}").page
    button(view(page), "Pause jobs").click()
    expect(button(view(page), "Resume jobs")).to_be_visible()
    until(
        lambda: not frappe.db.rollback() and frappe.db.get_value("Organization", factory.ALPHA, "is_paused"), 10, "it"
    )
    button(view(page), "Resume jobs").click()
    expect(button(view(page), "Pause jobs")).to_be_visible()


def test_an_organization_is_deleted_after_a_word_on_what_goes_with_it(visit, member, manager):
    # Seen failing: Frappe's own question names the organization alone.
    with named.organization("Test Doomed") as doomed:
        factory.member(member, doomed)
        submitted_for(member, doomed, factory.job_type("plain"))
        page = visit(manager, f"/app/organization/{doomed}").page
        expect(figure(view(page), "Waiting")).to_have_text("1")
        page.evaluate("() => { cur_frm.savetrash(); }")
        expect(dialog(page)).to_contain_text("Delete Test Doomed with its 1 jobs")
        expect(dialog(page)).to_contain_text("0 schedules and 1 members")
        confirm(page)
        until(lambda: not frappe.db.rollback() and not frappe.db.exists("Organization", doomed), 20, "it is gone")
        expect(dialog(page)).to_contain_text("is being removed for good: 1 jobs, 0 schedules, 1 members")


def test_people_see_the_name_of_an_organization_and_not_its_id(visit, member, manager):
    job = submitted_by(member, factory.job_type("plain"))
    title = factory.title_of(factory.ALPHA)
    for user in (member, manager):
        page = visit(user, "/app/background-job").page
        expect(row(page, job)).to_contain_text(title)
        expect(row(page, job)).not_to_contain_text(factory.ALPHA)
        page = visit(user, f"/app/background-job/{job.name}").page
        expect(page.locator('[data-fieldname="organization"]:visible').first).to_contain_text(title)


def test_a_schedule_shows_its_next_runs_and_is_run_once(visit, admin):
    kind = factory.job_type("plain")
    frappe.set_user(admin)
    schedule = schedules.made(kind)
    frappe.set_user("Administrator")
    page = visit(admin, f"/app/job-schedule/{schedule.name}").page
    place = view(page)
    expect(place.locator(".dw-next li")).to_have_count(5)
    button(place, "Run once now").click()
    confirm(page)
    job = until(lambda: newest(kind), 15, "the job")
    expect(place.locator(".dw-jobs")).to_contain_text(job)
    page.evaluate("() => cur_frm.set_value('cron', '0 0 1 1 *')")
    expect(place.locator(".dw-next li").first).to_contain_text(
        re.compile(r"(31.12|12.31).2026|01.01.2027|2026.12.31|2027.01.01")
    )
    page.evaluate("() => cur_frm.set_value('cron', 'x')")
    expect(place.locator(".dw-next")).to_contain_text("cron")


def test_a_new_schedule_is_previewed_once_there_is_something_to_ask(visit, admin):
    # Seen failing: each half of a schedule was asked for and refused, with an error in the console.
    page = visit(admin, "/app/job-schedule").page
    refused: list[str] = []
    page.on("response", lambda response: response.status >= 400 and refused.append(response.url))
    page.evaluate("() => frappe.new_doc('Job Schedule')")
    page.wait_for_function("window.cur_frm?.doctype === 'Job Schedule' && cur_frm.is_new() && cur_frm.schedule_page")
    called = calls_of(page)
    page.evaluate("() => cur_frm.set_value('frequency', 'Interval')")
    page.wait_for_timeout(800)  # twice as long as it waits for more keys
    page.evaluate("() => cur_frm.set_value('frequency', 'Cron')")
    page.wait_for_timeout(800)
    assert [name for name in called if name.endswith("preview_schedule")] == []
    page.evaluate("() => cur_frm.set_value('cron', 'x y')")
    expect(view(page).locator(".dw-next")).to_contain_text("cron")
    page.evaluate("() => cur_frm.set_value('cron', '0 7 * * *')")
    expect(view(page).locator(".dw-next li")).to_have_count(5)
    assert refused == []


# The widget for other apps --------------------------------------------------------------------------------------------


def test_another_form_starts_a_job_and_shows_its_bar_in_three_lines(visit, work, member):
    kind = factory.job_type("slow", "slow")
    frappe.db.commit()
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
    expect(dialog(page)).to_contain_text("Failed")
    expect(dialog(page).locator(".dw-error")).to_have_text("asked to fail")
    expect(dialog(page).locator(".dw-line")).to_contain_text("Retries")
    expect(dialog(page).locator("[role=progressbar]")).to_be_hidden()


def test_a_long_word_stays_within_its_toast_on_a_phone(visit, member):
    page = visit(member, "/app/todo").page
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("() => frappe.show_alert({ message: 'x'.repeat(200), indicator: 'red' }, 60)")
    expect(page.locator(".desk-alert")).to_be_visible()
    toast, text = (page.locator(name).bounding_box() for name in (".desk-alert", ".desk-alert .alert-message"))
    assert text["x"] + text["width"] <= toast["x"] + toast["width"]
    assert page.locator(".desk-alert .alert-message").evaluate("(part) => part.scrollWidth - part.clientWidth") <= 0


def test_what_is_refused_is_said_by_the_widget(visit, member):
    page = visit(member, "/app/todo").page
    page.evaluate("() => dartwing_core.jobs.start({ job_type: 'nowhere', organization: 'Test Alpha' })")
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


# Workspace and reports ------------------------------------------------------------------------------------------------


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
    expect(page.locator(".desk-alert")).to_contain_text("Check the errors first")
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
    if IS_15:
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
