"""The job center follows its jobs by events and by polling, and asks no more than it must."""

from __future__ import annotations

from tests.support.job_center import card, emit, expect, pill, requests_of, with_socket
from tests.support.jobs import set_columns


def test_without_a_socket_the_bar_follows_by_polling(visit, portal_user, running):
    job = running(progress=20)
    bar = card(visit(portal_user).page, job).get_by_role("progressbar", name="Progress: Monthly report")
    for percent in ("20", "45", "70"):
        running(job, progress=float(percent))
        expect(bar).to_have_attribute("aria-valuenow", percent)


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


def test_a_flood_of_events_stays_within_the_limits(visit, portal_user, running):
    running(progress=10)
    visitor = visit(portal_user)
    with_socket(visitor)
    page = visitor.page
    expect(page.locator(".jc-card")).to_have_count(1)
    asked = requests_of(page)
    page.evaluate("""() => {
        for (let number = 0; number < 300; number += 1) {
            const job_id = `JOB-${number}`;
            window.tellEvent("job_progress", { job_id, status: "Running", progress: 1 });
            window.tellEvent("job_status_changed", { job_id, to_status: "Running" });
        }
    }""")
    page.wait_for_timeout(1_000)
    assert len(asked) <= 1, asked


def test_nothing_is_asked_while_the_page_is_hidden(visit, portal_user, running):
    job = running(progress=10)
    visitor = visit(portal_user)
    page = visitor.page
    expect(card(page, job)).to_be_visible()
    page.evaluate("""() => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => window.isAway });
        window.isAway = true;
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    asked = requests_of(page)
    page.wait_for_timeout(4_500)
    assert asked == []
    running(job, progress=70)
    page.evaluate("() => { window.isAway = false; document.dispatchEvent(new Event('visibilitychange')); }")
    expect(card(page, job).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "70", timeout=3_000)
