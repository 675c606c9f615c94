"""RQ's workers serve their queues strictly in order: who floods the first one must not starve what is behind it.

Workers are keys in Redis here, as RQ registers them; tests/acceptance/test_fairness.py has real ones. Seen failing
without `lifting` (nothing leaves its own queue), unless a test says how it was broken.
"""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import admission, claim, clock, notes, rq_workers, waiting_reason
from tests.support import database, factory, processes
from tests.support.circuits import breaking_type
from tests.support.jobs import status
from tests.support.queues import (
    DAY,
    age,
    column,
    listed,
    one,
    run_next,
    seen,
    serve,
    serve_all,
    submitted,
    taken,
    type_of,
)
from tests.support.settings import settings


@pytest.fixture(autouse=True)
def window(no_sweeps, monkeypatch):
    with settings(queue_window=4):
        yield 4
    for organization in (factory.ALPHA, factory.BETA):
        frappe.db.set_value("Organization", organization, "max_running", 0)
    frappe.db.commit()


@pytest.fixture
def workers(site: None) -> None:
    serve_all()


@pytest.fixture
def job_type() -> str:
    return type_of("plain")


# Who is lifted


def test_a_normal_job_in_rq_goes_before_anothers_line_of_high_ones(job_type, workers):
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    assert seen(late) == ("Queued", "default")
    run_next(2)
    assert seen(late) == ("Queued", "short")
    assert (late.name in listed("short"), listed("default")) == (True, [])
    assert late.name in run_next(4)
    assert seen(late) == ("Completed", "default"), "its own queue again"


def test_a_normal_job_in_line_goes_before_anothers_line_of_high_ones(job_type, workers):
    submitted(job_type, "Normal", number=30)
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    assert seen(late) == ("Pending", "default")
    run_next(2)
    assert seen(late) == ("Queued", "short")
    assert len(listed("short")) == len(listed("default")) == 4


def test_a_low_job_goes_before_anothers_line_of_normal_ones(job_type, workers):
    submitted(job_type, "Normal", number=30)
    late = one(job_type, "Low", factory.BETA)
    run_next(2, "default")
    assert seen(late) == ("Queued", "default")


def test_of_an_organization_an_aged_low_job_goes_first_and_a_fresh_one_does_not(job_type, workers):
    # Broken by taking the queue for the order within an organization.
    aged, fresh = one(job_type, "Low"), one(job_type, "Low")
    age(aged, 2 * DAY)
    submitted(job_type, "Normal", number=30)
    assert seen(aged) == ("Queued", "default")
    run_next(20, "default")
    assert (status(aged), seen(fresh)) == ("Completed", ("Queued", "long"))


def test_a_backlog_of_old_jobs_gets_every_other_turn_of_its_organization(job_type, workers):
    # Broken by rank alone within the organization: the urgent ones would wait until the backlog is done.
    with settings(is_paused=1):
        backlog = submitted(job_type, "Normal", number=20)
        for job in backlog:
            age(job, 2 * DAY)
        urgent = submitted(job_type, "High", number=20)
    admission.admit_all()
    run_next(16)
    assert [sum(status(job) == "Completed" for job in jobs) for jobs in (backlog, urgent)] == [8, 8]


def test_under_a_cap_a_backlog_of_old_jobs_gets_every_other_turn_too(job_type, workers):
    # Broken by forgetting whose the last turn was when the cap is reached: each pass is of one turn.
    frappe.db.set_value("Organization", factory.ALPHA, "max_running", 1)
    frappe.db.commit()
    with settings(is_paused=1):
        for job in submitted(job_type, "Normal", number=12):
            age(job, 2 * DAY)
        submitted(job_type, "High", number=12)
    admission.admit("short")
    order = "".join(column(name, "priority")[0] for _turn in range(12) for name in run_next(1))
    assert order == "NH" * 6


def test_organizations_take_turns_whatever_their_jobs_priorities(job_type, workers):
    submitted(job_type, "High", number=40)
    submitted(job_type, "Normal", factory.BETA, 40)
    run_next(4)
    order = [frappe.db.get_value("Background Job", name, "organization") for name in run_next(20)]
    assert order.count(factory.BETA) == 10, order


def test_when_the_first_line_ends_the_others_go_on_in_their_own_queues(job_type, workers):
    # Broken by not passing over the queue from which jobs were lifted: its window is empty, nobody's end makes a pass.
    submitted(job_type, "High", number=12)
    normal = submitted(job_type, "Normal", factory.BETA, 30)
    while listed("short"):
        run_next(1)
        assert len(listed("default")) == 4
    while listed("default"):
        run_next(1, "default")
    assert {status(job) for job in normal} == {"Completed"}


def test_passes_that_take_nobody_do_not_cost_the_others_their_turns(job_type, workers):
    # Seen failing (none): such a pass does not ask who is behind, and whoever is was forgotten.
    submitted(job_type, "High", number=40)
    submitted(job_type, "Normal", factory.BETA, 20)
    ran: list[str] = []
    for _turn in range(24):
        ran += run_next(1)
        admission.admit_all()
        admission.admit_all()  # a sweep, with the window full
    assert sum(column(name, "organization") == factory.BETA for name in ran) >= 8


def test_submits_while_a_shared_slot_is_taken_do_not_cost_the_others_their_turns(workers):
    job_type = type_of("capped", max_concurrent=1)
    submitted(job_type, "High", number=30)
    submitted(job_type, "Normal", factory.BETA, 10)
    ran: list[str] = []
    for _turn in range(16):
        ran += run_next(1) or run_next(1, "default")
        one(job_type, "High")
    assert sum(column(name, "organization") == factory.BETA for name in ran) >= 5


# Who is not


def test_nobody_is_lifted_while_nobody_waits_for_the_first_queue(job_type, workers):
    urgent = submitted(job_type, "High", number=4)
    late = one(job_type, "Normal", factory.BETA)
    run_next(4)
    admission.admit("short")
    assert {status(job) for job in urgent} == {"Completed"}
    assert seen(late) == ("Queued", "default")


def test_nobody_is_lifted_behind_the_end_of_the_line(job_type, workers):
    # Broken by filling the window with others.
    with settings(is_paused=1):
        urgent = one(job_type, "High")
        submitted(job_type, "Normal", factory.BETA, 30)
    admission.admit("short")
    assert listed("short") == [urgent.name]


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"one": ["short"], "two": ["default"], "three": ["long"]},
        {"one": ["short", "default"], "two": ["default"]},
        {"one": ["default", "long"]},
    ],
    ids=["none", "apart", "one of its own", "another queue"],
)
def test_nobody_is_lifted_where_no_worker_starves_him(job_type, layout):
    # Broken by lifting if any worker serves both: one that serves `default` alone would have nothing to do.
    for name, queues in layout.items():
        serve(name, *queues)
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    run_next(8)
    assert seen(late) == ("Queued", "default")


def test_a_worker_that_is_gone_does_not_count(job_type, workers):
    serve("gone", "default")
    processes.queue_client().delete("rq:worker:gone")
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    run_next(2)
    assert seen(late) == ("Queued", "short")


def test_jobs_of_types_that_name_a_queue_stay_there(job_type, workers):
    own = type_of("capped", queue="default")
    submitted(job_type, "High", number=30)
    late = one(own, "High", factory.BETA)
    run_next(8)
    assert seen(late) == ("Queued", "default")


def test_lines_of_types_that_name_a_queue_count_as_any_other(workers):
    own, other = type_of("capped", queue="short"), type_of("plain")
    submitted(own, "Low", number=30)
    late = one(other, "Normal", factory.BETA)
    run_next(2)
    assert seen(late) == ("Queued", "short")


@pytest.mark.parametrize("order", [("long", "default", "short"), ("default", "long", "short")])
def test_nobody_is_lifted_out_of_a_queue_that_a_worker_serves_first(job_type, order):
    # Seen failing with sets of queues in place of their order.
    serve("one", "short", "default")
    serve("two", *order)
    submitted(job_type, "High", number=30)
    late = one(job_type, "Low", factory.BETA)
    run_next(8)
    assert seen(late) == ("Queued", "long")


# Pauses


def test_nobody_is_lifted_out_of_a_paused_queue(job_type, workers):
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    with settings(paused_queues="default"):
        run_next(8)
        assert seen(late) == ("Queued", "default")


def test_nobody_is_lifted_into_a_paused_queue(job_type, workers):
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    with settings(paused_queues="short"):
        run_next(4)
        admission.admit_all()
        assert seen(late) == ("Queued", "default")


@pytest.mark.parametrize("paused", ["default", "short"])
def test_a_lifted_job_is_held_by_the_pause_of_either_queue(job_type, workers, paused):
    # Broken by asking the row's queue alone.
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    run_next(2)
    assert seen(late) == ("Queued", "short")
    with settings(paused_queues=paused):
        reason = waiting_reason.of_job(frappe.get_doc("Background Job", late.name).as_dict())
        assert reason == f"Held: the queue {paused} is paused."
        assert claim.claim(late.name, 1) is None
        assert seen(late) == ("Pending" if paused == "default" else "Queued", "default")
    admission.admit_all()
    assert status(late) == "Queued"


# Limits


def test_a_cap_holds_for_those_who_might_be_lifted_too(job_type, workers):
    frappe.db.set_value("Organization", factory.BETA, "max_running", 2)
    frappe.db.commit()
    normal = submitted(job_type, "Normal", factory.BETA, 10)
    submitted(job_type, "High", number=30)
    for _number in range(10):
        run_next(1)
        assert sum(status(job) == "Queued" for job in normal) <= 2
    assert 0 < sum(status(job) == "Completed" for job in normal) < 10


def test_one_that_is_queued_under_its_cap_is_lifted_all_the_same(job_type, workers):
    # Broken by asking whether one more fits: it is counted already.
    frappe.db.set_value("Organization", factory.BETA, "max_running", 1)
    frappe.db.commit()
    late = one(job_type, "Normal", factory.BETA)
    submitted(job_type, "High", number=30)
    assert seen(late) == ("Queued", "short")


def test_a_line_that_a_cap_stops_is_in_nobodys_way(job_type, workers):
    # Broken by counting the line without asking whether one of it may go.
    frappe.db.set_value("Organization", factory.ALPHA, "max_running", 1)
    frappe.db.commit()
    first, *_others = submitted(job_type, "High", number=10)
    assert claim.claim(first.name, 1)
    late = one(job_type, "Normal", factory.BETA)
    age(late, DAY)
    admission.admit("short")
    assert seen(late) == ("Queued", "default")


def test_an_open_circuit_holds_those_who_might_be_lifted_too(job_type, workers):
    from dartwing_core.jobs import circuits

    broken = breaking_type("capped")
    frappe.db.commit()
    late = one(broken, "Normal", factory.BETA)
    circuits.open_anew(
        {"job_type": broken, "organization": factory.BETA},
        circuits.Tally(1, 1, None, None, None),
        clock.now_epoch() + 600,
    )
    frappe.db.commit()
    submitted(job_type, "High", number=30)
    run_next(8)
    assert seen(late) == ("Queued", "default")


# What it costs


def test_a_pass_that_lifts_nobody_asks_no_more_than_before(job_type, workers, monkeypatch):
    submitted(job_type, "High", number=30)
    with database.statements() as without:
        run_next(2)
    monkeypatch.setattr(rq_workers, "queues_served_after", None)
    with database.statements() as asked:
        run_next(2)
    assert len(asked) == len(without)


def test_a_pass_that_lifts_asks_a_fixed_number_of_questions(job_type, workers):
    for priority in ("High", "Normal", "Low"):
        submitted(job_type, priority, number=30)
        submitted(job_type, priority, factory.BETA, 30)
    for _number in range(4):
        taken("short")
    frappe.db.sql("UPDATE `tabBackground Job` SET status = 'Completed' WHERE queue = 'short' AND status = 'Queued'")
    frappe.db.commit()
    notes.ask_for_pass("short")
    notes.take_request("short")
    with database.statements() as asked:
        assert len(admission._admit("short")) == 4
    assert len(asked) <= 16, asked
