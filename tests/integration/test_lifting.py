"""RQ's workers serve their queues strictly in order: who floods the first one must not starve what is behind it.

Workers are keys in Redis here, as RQ registers them; tests/acceptance/test_fairness.py has real ones. Seen failing
without `lifting` (nothing leaves its own queue), unless a test says how it was broken.
"""

from __future__ import annotations

import frappe
import pytest
from frappe.utils.background_jobs import generate_qname

from dartwing_core.jobs import (
    admission,
    cancel_job,
    claim,
    clock,
    config,
    executor,
    notes,
    redis_queue,
    submit_jobs,
    sweeper,
    waiting_reason,
)
from tests.support import database, factory, processes
from tests.support.circuits import breaking_type
from tests.support.jobs import set_columns, status
from tests.support.settings import settings

ALL = ("short", "default", "long")
DAY = 86_400


@pytest.fixture(autouse=True)
def window(no_sweeps, monkeypatch):
    with settings(queue_window=4):
        yield 4
    for organization in (factory.ALPHA, factory.BETA):
        frappe.db.set_value("Organization", organization, "max_running", 0)
    frappe.db.commit()


@pytest.fixture
def workers(site: None) -> None:
    """Two that serve all queues."""
    serve("one", *ALL)
    serve("two", *ALL)


@pytest.fixture
def job_type() -> str:
    return type_of("plain")


def type_of(name: str, function: str = "nothing", **values) -> str:
    name = factory.job_type(name, function, **values)
    frappe.db.commit()
    return name


def serve(name: str, *queues: str) -> None:
    """As RQ's workers register themselves."""
    client, key = processes.queue_client(), f"rq:worker:{name}"
    client.hset(key, "queues", ",".join(generate_qname(queue) for queue in queues))
    for queue in queues:
        client.sadd(f"rq:workers:{generate_qname(queue)}", key)


def submitted(job_type: str, priority: str, organization: str = factory.ALPHA, number: int = 1) -> list:
    parameters = [{"n": n, "what": "long"} for n in range(number)]
    requests = [{"job_type": job_type, "organization": organization, "parameters": each} for each in parameters]
    jobs = submit_jobs({**request, "priority": priority, "dedup_key": frappe.generate_hash()} for request in requests)
    frappe.db.commit()
    return jobs


def one(job_type: str, priority: str, organization: str = factory.ALPHA):
    (job,) = submitted(job_type, priority, organization)
    return job


def age(job, seconds: float) -> None:
    """Let the job have been due so long ago."""
    due = clock.now_epoch() - seconds
    rank = due - config.HEAD_START[frappe.db.get_value("Background Job", job.name, "priority")]
    set_columns(job, available_at=clock.site_time(due), due_epoch=due, admission_rank=rank)


def listed(queue: str) -> list[str]:
    """The jobs in a queue's list, from the first to the last."""
    entries = processes.queue_client().lrange(f"rq:queue:{generate_qname(queue)}", 0, -1)
    return [entry.decode()[entry.decode().index("JOB-") :].rpartition("-")[0] for entry in entries]


def taken(queue: str) -> str | None:
    """The job of the next entry of a queue, which is taken from its list."""
    names = listed(queue)
    if names:
        processes.queue_client().lpop(f"rq:queue:{generate_qname(queue)}")
    return names[0] if names else None


def run_next(number: int, queue: str = "short") -> list[str]:
    """Run the jobs of the next entries of a queue, as far as there are any."""
    names: list[str] = []
    for _number in range(number):
        if name := taken(queue):
            executor.execute_job(name, column(name, "attempt") + 1)
            names.append(name)
    return names


def column(job, name: str = "queue"):
    job = job if isinstance(job, str) else job.name
    return database.value(f"SELECT `{name}` FROM `tabBackground Job` WHERE name = %s", job)


def seen(job) -> tuple[str, str]:
    return status(job), column(job)


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


# The row and RQ say the same


def lifted(job_type: str):
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    run_next(2)
    assert seen(late) == ("Queued", "short")
    return late


def test_one_that_a_worker_takes_in_that_moment_runs_once(job_type, workers):
    # Its entry is gone from the list: no other is made.
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    assert taken("default") == late.name
    run_next(2)
    assert seen(late) == ("Queued", "short")
    assert late.name not in listed("short")
    executor.execute_job(late.name, 1)
    assert seen(late) == ("Completed", "default")


def test_one_that_was_claimed_in_that_moment_stays_as_it_is(job_type, workers, monkeypatch):
    # Broken by an UPDATE without the guard.
    submitted(job_type, "High", number=30)
    late = one(job_type, "Normal", factory.BETA)
    original = redis_queue.queues_served_after

    def claim_first(queue, others):
        database.rows("UPDATE `tabBackground Job` SET status = 'Running', attempt = 1 WHERE name = %s", late.name)
        return original(queue, others)

    monkeypatch.setattr(redis_queue, "queues_served_after", claim_first)
    run_next(2)
    assert seen(late) == ("Running", "default")
    assert late.name not in listed("short")


def test_the_sweeper_finds_the_entries_of_lifted_jobs_and_renews_lost_ones(job_type, workers):
    late = lifted(job_type)
    database.age_queued(factory.BETA, 60)
    assert sweeper.ring_again(100) == 0
    processes.queue_client().flushdb()
    database.age_queued(factory.BETA, 60)
    assert sweeper.ring_again(100) >= 1
    assert (late.name in listed("short"), listed("default")) == (True, [])


def test_a_lifted_job_that_is_canceled_leaves_no_entry(job_type, workers):
    late = lifted(job_type)
    cancel_job(late.name)
    frappe.db.commit()
    assert late.name not in listed("short")


def test_a_retry_of_a_lifted_job_waits_in_its_own_queue(job_type, workers):
    failing = type_of("failing", function="raises", max_retries=2, retry_delays="1")
    submitted(job_type, "High", number=30)
    late = one(failing, "Normal", factory.BETA)
    run_next(2)
    assert seen(late) == ("Queued", "short")
    executor.execute_job(late.name, 1)
    assert seen(late) == ("Failed", "default")


# What it costs


def test_a_pass_that_lifts_nobody_asks_no_more_than_before(job_type, workers, monkeypatch):
    submitted(job_type, "High", number=30)
    with database.statements() as without:
        run_next(2)
    monkeypatch.setattr(redis_queue, "queues_served_after", None)
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
