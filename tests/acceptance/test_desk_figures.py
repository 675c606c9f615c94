"""What Desk's cards, charts and reports answer over HTTP, past the guard: to every kind of user what is theirs."""

from __future__ import annotations

import json

import frappe
import pytest
import requests

from tests.support import tenants
from tests.support.http import Client
from tests.support.tenants import ACTORS, Actor

pytestmark = pytest.mark.usefixtures("fresh_limits")

DESK = "dartwing_core.api.desk"
CARDS = ("running_jobs", "waiting_jobs", "failed_jobs", "dead_letters")
CHARTS = (
    "Completed Background Jobs by Hour",
    "Failed Background Jobs by Type",
    "Waiting Time of Background Jobs",
)
REPORTS = ("Job Type Performance", "Dead Letters by Error")
LOCKED_OUT = ("guest", "disabled")


def ask(client: Client, function: str, **arguments) -> requests.Response:
    return client.http.post(f"{client.url}/api/method/{function}", json=arguments, timeout=60)


def prepared(name: str, url: str):
    """The actor's client, and the jobs, all dead letters."""
    client, jobs = tenants.client_of(name, url), tenants.targets(name)
    for key in ("own", "alpha", "beta"):
        tenants.set_status(jobs[key].name, "Dead Letter", jobs[key].secret)
    frappe.db.commit()
    return client, jobs


@pytest.mark.parametrize("name", ACTORS)
def test_cards_and_charts_count_only_what_one_sees(web, name):
    actor, (client, _jobs) = ACTORS[name], prepared(name, web)
    answers = {card: ask(client, f"{DESK}.{card}") for card in CARDS}
    answers |= {chart: ask(client, f"{DESK}.get_chart", chart_name=chart, filters="{}") for chart in CHARTS}
    if name == "guest":
        assert {answer.status_code for answer in answers.values()} <= {401, 403}
        return
    expected = 0 if name in LOCKED_OUT else len(actor.sees)
    if any(answer.status_code != 200 for answer in answers.values()):
        assert name in LOCKED_OUT, [answer.text for answer in answers.values()]
        return
    others = 0 if not actor.is_manager else _dead_letters_elsewhere()
    assert answers["dead_letters"].json()["message"]["value"] - others == expected
    assert answers["failed_jobs"].json()["message"]["value"] >= expected
    chart = answers["Failed Background Jobs by Type"].json()["message"]  # empty if there are none
    values = chart["datasets"][0]["values"] if chart else []
    assert sum(values) >= expected
    assert actor.is_manager or sum(values) == expected


@pytest.mark.parametrize("name", ACTORS)
def test_the_list_is_told_how_far_those_jobs_are_that_one_sees(web, name):
    actor, (client, jobs) = ACTORS[name], prepared(name, web)
    for key in ("own", "alpha", "beta"):
        tenants.set_status(jobs[key].name, "Running", jobs[key].secret)
    frappe.db.commit()
    answer = ask(client, f"{DESK}.live_progress", job_ids=[job.name for job in jobs.values()])
    if name == "guest":
        assert answer.status_code in (401, 403)
        return
    if answer.status_code != 200:
        assert name in LOCKED_OUT, answer.text[:300]
        return
    expected = () if name in LOCKED_OUT else actor.sees
    assert set(answer.json()["message"]) == {jobs[key].name for key in expected}


def _dead_letters_elsewhere() -> int:
    return frappe.db.count("Background Job", {"status": "Dead Letter", "organization": ["not like", "Test %"]})


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("name", ACTORS)
def test_reports_show_only_what_one_sees(web, name, report):
    actor, (client, jobs) = ACTORS[name], prepared(name, web)
    answer = ask(client, "frappe.desk.query_report.run", report_name=report, filters=json.dumps({"hours": 24}))
    if name == "disabled" and answer.status_code == 200:  # Frappe 15 lets the API key of a disabled user in
        assert answer.json()["message"]["result"] == []
    else:
        assert (answer.status_code == 200) is _may_run(actor), answer.text[:300]
    for key in ("own", "alpha", "beta"):
        shows = jobs[key].secret in answer.text
        assert shows is (report == "Dead Letters by Error" and _may_run(actor) and key in actor.sees), key
    if _may_run(actor) and report == "Job Type Performance" and not actor.is_manager:
        rows = [row for row in answer.json()["message"]["result"] if isinstance(row, dict)]
        assert sum(row["failed"] for row in rows) == len(actor.sees)


def _may_run(actor: Actor) -> bool:
    """Reports are of Desk: they need a role."""
    return actor.has_desk and actor.name not in LOCKED_OUT


@pytest.mark.parametrize("name", ACTORS)
def test_dead_letters_are_retried_by_error_as_far_as_one_sees_them(web, name):
    actor, (client, jobs) = ACTORS[name], prepared(name, web)
    frappe.db.sql("UPDATE `tabBackground Job` SET error_message = 'Boom' WHERE organization LIKE 'Test %%'")
    frappe.db.commit()
    from dartwing_core.jobs.monitoring import reports

    fingerprints = [row["fingerprint"] for row in reports.dead_letters_by_error() if row["error"] == "Boom"]
    frappe.db.rollback()
    answer = client.post("retry_dead_letters", fingerprints=fingerprints)
    frappe.db.rollback()
    moved = {
        key
        for key in ("own", "alpha", "beta")
        if frappe.db.get_value("Background Job", jobs[key].name, "status") != "Dead Letter"
    }
    assert moved == (set(actor.sees) if name not in LOCKED_OUT else set())
    assert answer.status_code == (401 if name in LOCKED_OUT else 200)


@pytest.mark.parametrize("name", ["user", "admin_a", "manager"])
def test_the_workspace_shows_its_cards_and_charts(web, name):
    client, _jobs = prepared(name, web)
    page = json.dumps({"name": "Background Jobs", "title": "Background Jobs", "public": 1})
    answer = ask(client, "frappe.desk.desktop.get_desktop_page", page=page)
    assert answer.status_code == 200, answer.text[:300]
    found = answer.json()["message"]
    assert len(found["number_cards"]["items"]) == len(CARDS)
    assert len(found["charts"]["items"]) == len(CHARTS)
    assert {item["link_to"] for item in found["shortcuts"]["items"]} >= {"Background Job", *REPORTS}
