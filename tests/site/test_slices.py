"""What a process does under one entry (`executor.Loop`): job after job, by turn, as long as it is what it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from dartwing_core.jobs import executor
from dartwing_core.jobs.line import claim, queue_view
from dartwing_core.jobs.rq import doorbells, redis_queue
from dartwing_core.jobs.run import attempt
from tests.support import database, factory, handlers, processes
from tests.support.jobs import set_columns, submitted
from tests.support.queues import listed, serve
from tests.support.settings import settings
from tests.support.slices import ENTRY, WORKER, run_slice, statuses

# RQ's class for time limits takes the alarm that pytest-timeout uses.
pytestmark = [pytest.mark.usefixtures("no_sweeps"), pytest.mark.timeout(60, method="thread")]

RUNS_UNDER = "SELECT COUNT(*) FROM `tabBackground Job Run` WHERE background_job = %s AND rq_job_id = %s"


def test_a_process_goes_on_until_nobody_is_left_and_each_run_names_its_entry(job_type):
    jobs = [submitted(job_type, n=n) for n in range(5)]
    run_slice(jobs[0])
    assert set(statuses(jobs)) == {"Completed"}
    assert {database.value(RUNS_UNDER, job.name, ENTRY) for job in jobs} == {1}
    assert listed("default") == [], "and there is nobody to ring for"


def test_the_turn_decides_and_not_the_entry_and_without_a_slice_it_rings_for_the_next(job_type):
    jobs = [submitted(job_type, n=n) for n in range(3)]
    with settings(slice_seconds=0):
        run_slice(jobs[1])
    assert statuses(jobs) == ["Completed", "Queued", "Queued"]
    assert listed("default") == [jobs[1].name]


def test_a_slice_that_is_over_ends_and_rings_for_the_next(site):
    job_type = factory.job_type("quiet", "quiet")
    jobs = [submitted(job_type, n=n, seconds=1.1) for n in range(3)]
    with settings(slice_seconds=1):
        run_slice(jobs[0])
    assert statuses(jobs) == ["Completed", "Queued", "Queued"]
    assert listed("default") == [jobs[1].name]


def test_a_slice_sweeps_at_its_end_and_no_claimed_job_waits_for_that(job_type, monkeypatch):
    # Seen failing: a long sweep took the next job's lease, and another worker tried it again meanwhile.
    running: list[int] = []
    count = "SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Running' AND job_type = %s"
    monkeypatch.setattr(executor.agent, "sweep_if_overdue", lambda: running.append(database.value(count, job_type)))
    jobs = [submitted(job_type, n=n) for n in range(3)]
    run_slice(jobs[0])
    assert set(statuses(jobs)) == {"Completed"}
    assert running == [0]


def test_a_worker_that_is_asked_to_end_takes_no_other_job(job_type):
    jobs = [submitted(job_type, n=n) for n in range(3)]
    processes.queue_client().hset(WORKER, doorbells.SHUTDOWN, "2026-01-01")
    run_slice(jobs[0])
    done = statuses(jobs).count("Completed")
    assert 1 <= done <= 2, "it may have taken one along, in the round trip in which it asks"
    assert len(listed("default")) == 1


def test_a_job_with_a_process_of_its_own_follows_no_other_and_gets_an_entry_in_front(job_type):
    alone = factory.job_type("alone", own_process=1)
    first, second, third = submitted(job_type, n=1), submitted(alone, n=2), submitted(job_type, n=3)
    run_slice(first)
    assert statuses([first, second, third]) == ["Completed", "Queued", "Queued"]
    assert listed("default")[0] == second.name
    run_slice(second)
    assert statuses([second, third]) == ["Completed", "Queued"], "it is the only one in its process"


NAME_OF = "SELECT name FROM `tabBackground Job` WHERE name = %s"


def test_a_job_that_needs_an_entry_of_its_own_is_free_when_it_is_rung_for(job_type, monkeypatch):
    # Seen failing: the process that could not run it kept its row locked, and the worker that was rung found no job.
    first, second = submitted(job_type, n=1), submitted(factory.job_type("alone", own_process=1), n=2)
    ring_first, free = doorbells.ring_first, []
    monkeypatch.setattr(queue_view, "LONGEST", 0)  # each claim reads the line anew, in a transaction of its own

    def ring(*given) -> None:
        with database.another_connection() as other, other.cursor() as cursor:
            cursor.execute(f"{NAME_OF} FOR UPDATE SKIP LOCKED", (second.name,))
            free.extend(cursor.fetchall())
        ring_first(*given)

    monkeypatch.setattr(doorbells, "ring_first", ring)
    run_slice(first)
    assert free == [(second.name,)]


def test_a_job_whose_time_limit_does_not_fit_gets_an_entry_of_its_own_in_front(job_type):
    long = factory.job_type("long", default_timeout=9_000)
    first, second = submitted(job_type, n=1), submitted(long, n=2)
    run_slice(first, timeout=300)
    assert statuses([first, second]) == ["Completed", "Queued"]
    assert listed("default")[0] == second.name
    client = processes.queue_client()
    (key,) = client.keys(f"rq:job:*{second.name}*")[:1]
    assert client.hget(key, "timeout") == b"9000"


def test_a_process_that_has_run_no_job_gives_no_way_to_a_later_queue():
    # Seen failing: the job's entry went behind one of another app in `long`, and processes of `default` came first.
    serve(WORKER.removeprefix("rq:worker:"), "default", "long")
    processes.queue_client().rpush(redis_queue.list_key("long"), "of another app")
    job = submitted(factory.job_type("long", default_timeout=9_000))
    run_slice(job, timeout=300)
    assert statuses([job]) == ["Queued"]
    assert (listed("default")[0], listed("long")) == (job.name, [])


def test_a_time_limit_ends_its_job_alone(job_type):
    slow = factory.job_type("slow", "quiet", default_timeout=1, max_retries=0)
    jobs = [submitted(job_type, n=1), submitted(slow, seconds=30), submitted(job_type, n=3)]
    run_slice(jobs[0])
    assert statuses(jobs) == ["Completed", "Dead Letter", "Completed"]


@pytest.mark.parametrize("lock", ["_lock", "_lock_lone"])
def test_a_job_that_has_changed_since_its_lock_is_not_run(monkeypatch, lock):
    # Seen failing where the claim ignored the answer of `start`: the process held a job that was canceled, and ended.
    find_and_lock, ran = getattr(claim, lock), []

    def lock_and_lose(*given: object) -> object:
        locked = find_and_lock(*given)
        set_columns(jobs[0], status="Canceled")  # it commits, which ends the lock
        return locked

    monkeypatch.setattr(claim, lock, lock_and_lose)
    monkeypatch.setattr(handlers, "nothing", handlers.job_handler(lambda context: ran.append(context.job_id)))
    kind = factory.job_type("plain", "nothing")
    jobs = [submitted(kind, n=n) for n in range(2 if lock == "_lock" else 1)]
    run_slice(jobs[0])
    assert statuses(jobs) == ["Canceled", "Completed"][: len(jobs)]
    assert ran == [job.name for job in jobs[1:]]


def while_it_lingers(monkeypatch, then: Callable[[], object]) -> list[float]:
    """Have something happen in the first moment in which a process waits for a job; each pause of it."""
    pauses: list[float] = []

    def happen(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            then()

    monkeypatch.setattr(executor, "time", SimpleNamespace(monotonic=time.monotonic, sleep=happen))
    return pauses


def test_a_process_that_finds_nobody_waits_a_moment_for_the_next_job(job_type, monkeypatch):
    # Seen failing: where jobs were submitted one by one, each had a fork of its own.
    first, later = submitted(job_type, n=1), []
    while_it_lingers(monkeypatch, lambda: later.append(submitted(job_type, n=2)))
    run_slice(first)
    assert statuses([first, *later]) == ["Completed", "Completed"]
    assert {database.value(RUNS_UNDER, job.name, ENTRY) for job in (first, *later)} == {1}


def others_want_its_worker() -> None:
    processes.queue_client().rpush(redis_queue.list_key("default"), "of another app")


def its_worker_is_asked_to_end() -> None:
    processes.queue_client().hset(WORKER, doorbells.SHUTDOWN, "2026-01-01")


@pytest.mark.parametrize("happens", [others_want_its_worker, its_worker_is_asked_to_end])
def test_a_process_that_waits_for_a_job_leaves_as_soon_as_its_worker_is_wanted(job_type, monkeypatch, happens):
    pauses = while_it_lingers(monkeypatch, happens)
    run_slice(submitted(job_type, n=1))
    assert len(pauses) == 1


def test_a_job_of_a_slice_costs_six_statements(job_type):
    number = 12
    warm = submitted(job_type, n=-1)
    run_slice(warm)
    jobs = [submitted(job_type, n=n) for n in range(number)]
    with database.statements() as seen:
        run_slice(jobs[0])
    assert set(statuses(jobs)) == {"Completed"}
    looks = ("SELECT in_line, ", "SELECT org.name, org.status,", "SELECT name, admission_rank ")
    others = [statement for statement in seen if not statement.startswith(looks)]
    # The job, its owner's standing, its start, its end, its run, and what both say in the history. After a look that is
    # not part of a settle the start says it alone.
    number_of_looks = sum(statement.startswith(looks[0]) for statement in seen)
    assert len(others) <= 6 * number + number_of_looks, others


def test_a_settle_starts_the_next_job_where_views_run_out_too(monkeypatch):
    # Seen failing: a settle reads no view of its handler's snapshot, so each second start was a commit of its own.
    now, number = [time.monotonic()], 6

    def pass_time(seconds):
        now[0] += seconds

    for module in (attempt, claim, executor, queue_view):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=pass_time))

    def work(context):
        pass_time(0.6 * queue_view.SHORTEST)

    monkeypatch.setattr(handlers, "nothing", handlers.job_handler(work))
    kind = factory.job_type("plain", "nothing")
    jobs = [submitted(kind, n=n) for n in range(number)]
    with database.statements() as seen:
        run_slice(jobs[0])
    assert set(statuses(jobs)) == {"Completed"}
    histories = [statement for statement in seen if "INTO `tabJob Execution Log`" in statement]
    assert len(histories) == number + 1, "one for the first start, then one for each end and the start after it"
