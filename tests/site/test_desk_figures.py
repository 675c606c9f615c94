"""Number cards, charts and reports of Desk: right, and of nothing that one may not see."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import frappe
import pytest
from frappe.desk.doctype.number_card.number_card import get_result

from dartwing_core.api import desk
from dartwing_core.dartwing_core.report.job_type_performance import job_type_performance
from dartwing_core.jobs import retry_dead_letters
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.operations import dead_letters
from dartwing_core.jobs.read import figures
from tests.support import attempts, factory
from tests.support.jobs import run, set_columns, status, submitted_by, submitted_for
from tests.support.sessions import as_user

MODULE = "Dartwing Core"


@pytest.fixture
def admin() -> str:
    return factory.user("figures_admin", factory.ALPHA, org_role="Admin", roles=("Dartwing Admin",))


def done(owner: str, organization: str, number: int, seconds: float = 1, **columns):
    """A job of test_plain that took so long, whatever it did."""
    job = submitted_for(owner, organization, "test_plain", n=number)
    now = clock.site_time()
    values = {"status": "Completed", "started_at": now - timedelta(seconds=seconds), "completed_at": now}
    set_columns(job, **{**values, **columns})
    return job


@pytest.fixture
def history(alice, bob) -> None:
    """Twenty jobs of Alice's that took 1 to 20 seconds, a canceled, a failed and a waiting one; two of Bob's."""
    factory.job_type("plain")
    for number in range(1, 21):
        done(alice, factory.ALPHA, number, seconds=number)
    done(alice, factory.ALPHA, 21, status="Canceled")
    done(alice, factory.ALPHA, 22, status="Dead Letter", retry_count=2)
    submitted_for(alice, factory.ALPHA, "test_plain", n=23)
    done(bob, factory.BETA, 24, seconds=500)
    done(bob, factory.BETA, 25, status="Dead Letter")


# Job Type Performance ------------------------------------------------------------------------------------------------


def test_a_types_row_is_right_and_of_what_one_may_see(history, alice, bob, admin):
    row = {
        "job_type": "test_plain",
        "jobs": 23,
        "completed": 20,
        "failed": 1,
        "dead_letters": 1,
        "canceled": 1,
        "live": 1,
        "retries": 2,
        "failure_rate": pytest.approx(4.76),
        "average_seconds": 10.5,
        "p95_seconds": 19.0,
    }
    for user in (alice, admin):
        assert as_user(user, figures.type_performance) == [row]
    of_bob = as_user(bob, figures.type_performance)[0]
    assert (of_bob["jobs"], of_bob["average_seconds"], of_bob["failure_rate"]) == (2, 500.0, 50.0)
    assert as_user(bob, figures.type_performance, factory.ALPHA) == []
    both = {found["job_type"]: found for found in as_user("Administrator", figures.type_performance)}
    assert both["test_plain"]["jobs"] == 25


def test_older_jobs_are_left_out(history, alice):
    assert as_user(alice, figures.type_performance, None, 1)


# Dead letters by error -----------------------------------------------------------------------------------------------


@pytest.fixture
def errors(alice, bob, admin) -> dict:
    """Dead letters: two with one kind of error, one with another, one of Bob's with the first."""
    factory.job_type("plain")
    texts = {
        "first": (alice, factory.ALPHA, "Row 17 of 0a1b2c3d4e5f is broken"),
        "second": (admin, factory.ALPHA, "Row 4 of ffeeddccbb99 is broken"),
        "other": (alice, factory.ALPHA, "No connection"),
        "foreign": (bob, factory.BETA, "Row 1 of 1111222233334444 is broken"),
    }
    return {
        name: done(user, organization, number, status="Dead Letter", error_message=text, active_key=None)
        for number, (name, (user, organization, text)) in enumerate(texts.items())
    }


def kinds(user: str, **filters) -> dict[str, int]:
    found = as_user(user, dead_letters.dead_letters_by_error, **filters)
    return {row["sample"]: row["jobs"] for row in found if row["job_type"] == "test_plain"}


def test_errors_that_differ_in_numbers_and_ids_are_of_one_kind(errors, alice, bob, admin):
    names = {key: job.name for key, job in errors.items()}
    assert kinds(admin) == {names["second"]: 2, names["other"]: 1}
    assert kinds(alice) == {names["first"]: 1, names["other"]: 1}
    assert kinds(bob) == {names["foreign"]: 1}
    everything = as_user("Administrator", dead_letters.dead_letters_by_error, job_type="test_plain")
    assert [(row["jobs"], row["organizations"]) for row in everything] == [(3, 2), (1, 1)]
    assert kinds(admin, organization=factory.BETA) == {}


def test_one_kind_of_error_is_retried_of_what_one_may_see(errors, admin):
    row = as_user(admin, dead_letters.dead_letters_by_error)[0]
    answer = as_user(admin, retry_dead_letters, [row["fingerprint"]])
    frappe.db.commit()
    assert set(answer["done"]) == {errors["first"].name, errors["second"].name}
    assert (answer["refused"], answer["left"]) == ({}, 0)
    states = {name: status(job) for name, job in errors.items()}
    assert states["first"] != "Dead Letter"
    assert (states["other"], states["foreign"]) == ("Dead Letter", "Dead Letter")


def test_more_than_a_request_takes_are_left_and_said(errors, admin, monkeypatch):
    monkeypatch.setattr("dartwing_core.jobs.engine.MAX_JOBS", 1)
    row = as_user(admin, dead_letters.dead_letters_by_error)[0]
    answer = as_user(admin, retry_dead_letters, [row["fingerprint"]])
    assert (answer["done"], answer["left"]) == ([errors["first"].name], 1)


# Charts and cards ----------------------------------------------------------------------------------------------------


def test_charts_show_the_last_day_of_what_one_may_see(history, alice, bob):
    for user, completed, failed in ((alice, 20, 1), (bob, 1, 1)):
        found = as_user(user, figures.throughput)
        labels, values = found
        assert len(labels) == 24
        assert sum(values) == completed
        assert sum(values[-2:]) == completed, "in the present hour, or the one before if it has just begun"
        assert as_user(user, figures.failures) == (["test_plain"], [failed])


def test_waiting_time_is_that_of_95_of_100_jobs(alice):
    factory.job_type("plain")
    now = clock.site_time().replace(microsecond=0)
    for number in range(1, 21):
        due = now - timedelta(seconds=number)
        done(alice, factory.ALPHA, number, started_at=now, created_at=due, available_at=due)
    _labels, values = as_user(alice, figures.waiting_time)
    assert [value for value in values if value] == [19.0]


def test_hours_are_those_of_the_users_clock(alice):
    # Seen failing: the hours were those of the site's clock, whoever looked.
    factory.job_type("plain")
    done(alice, factory.ALPHA, 1)
    now = datetime.now(timezone.utc)
    for zone in ("Asia/Kolkata", "America/New_York"):
        frappe.db.set_value("User", alice, "time_zone", zone)
        frappe.clear_cache(user=alice)
        shown = as_user(alice, figures.throughput)[0][-1]
        begun = {(now - ago).astimezone(ZoneInfo(zone)) for ago in (timedelta(minutes=m) for m in range(61))}
        assert shown in {f"{moment:%H:%M}" for moment in begun}
    frappe.db.set_value("User", alice, "time_zone", None)
    frappe.clear_cache(user=alice)
    assert as_user(alice, figures.throughput)[0][-1] in {
        f"{clock.site_time() - ago:%H}:00" for ago in (timedelta(), timedelta(minutes=1))
    }


def card_value(name: str) -> float:
    """What Desk shows on a card of the workspace."""
    card = frappe.get_doc("Number Card", name)
    filters = json.loads(card.filters_json)
    for doctype, field, operator, expression in json.loads(card.dynamic_filters_json):
        assert expression.startswith("moment(")
        filters.append([doctype, field, operator, frappe.utils.add_days(frappe.utils.now_datetime(), -1)])
    return get_result(card.as_json(), json.dumps(filters, default=str))


def test_cards_count_what_one_may_see(alice, bob):
    kind = factory.job_type("plain")
    attempts.taken(submitted_by(alice, kind, n=1).name, 1)
    submitted_by(alice, kind, n=2)
    run(submitted_by(alice, factory.job_type("note", "add_note"), title="test card", then="fail_for_good"))
    submitted_for(bob, factory.BETA, kind, n=3)
    frappe.db.commit()
    cards = frappe.get_all("Number Card", filters={"module": MODULE}, pluck="name")
    assert {name: as_user(alice, card_value, name) for name in cards} == dict.fromkeys(cards, 1)
    seen = {name: as_user(bob, card_value, name) for name in cards}
    assert seen == {**dict.fromkeys(cards, 0), "Waiting Background Jobs": 1}


def test_charts_are_found_by_their_names_and_are_empty_where_there_is_nothing_to_show(history, alice):
    nobody = factory.user("figures_nobody", factory.ALPHA)
    for name in frappe.get_all("Dashboard Chart", filters={"module": MODULE}, pluck="name"):
        assert as_user(alice, desk.get_chart, chart_name=name)["datasets"]
        assert as_user(nobody, desk.get_chart, chart_name=name) == {}, "of which Desk says: No Data"


def test_figures_of_the_report_are_not_taken_for_thousands():
    # Seen failing: 40 % as "40,000%" where a comma separates the decimals.
    columns = [column for column in job_type_performance.columns() if column["fieldtype"] in ("Float", "Percent")]
    assert [column["precision"] for column in columns] == [1, 2, 2]


# What a site has ------------------------------------------------------------------------------------------------------


def test_the_workspace_and_all_that_it_names_are_there():
    workspace = frappe.get_doc("Workspace", "Background Jobs")
    assert {row.number_card_name for row in workspace.number_cards} == set(
        frappe.get_all("Number Card", filters={"module": MODULE}, pluck="name")
    )
    assert {row.chart_name for row in workspace.charts} == set(
        frappe.get_all("Dashboard Chart", filters={"module": MODULE}, pluck="name")
    )
    for row in [*workspace.links, *workspace.shortcuts]:
        if row.link_to:
            kind = getattr(row, "link_type", None) or row.type
            assert frappe.db.exists(kind, row.link_to), row.link_to
    labels = {row.label for row in [*workspace.charts, *workspace.number_cards, *workspace.shortcuts, *workspace.links]}
    shown = [block["data"] for block in json.loads(workspace.content)]
    names = {value for data in shown for key, value in data.items() if key.endswith("_name")}
    assert names
    assert names <= labels


@pytest.mark.parametrize("name", ["Job Type Performance", "Dead Letters by Error"])
def test_members_may_run_the_reports(name, history, alice):
    from frappe.desk.query_report import run as run_report

    answer = as_user(alice, run_report, name, filters={"hours": 24})
    assert answer["result"][0]["job_type"] == "test_plain"
    assert {column["fieldname"] for column in answer["columns"]} <= set(answer["result"][0])
