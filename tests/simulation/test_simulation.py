"""Seeded simulation: after every step of a random history the invariants hold, and in the end no job is left (R14).

A failure prints its seed; `SIMULATION_SEED=<seed> ./dev test tests/simulation -k history` plays it again.
"""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter

import frappe
import pytest

from dartwing_core.jobs.job import dependencies
from dartwing_core.jobs.job.batch_store import CALLBACKS
from dartwing_core.jobs.lib import rows
from dartwing_core.jobs.rq import doorbells
from dartwing_core.jobs.status import FINISHED, WAITING, LinePlace
from dartwing_core.jobs.sweep import sweeper
from tests.simulation.state import ORGANIZATIONS
from tests.simulation.world import World, live_in
from tests.support import queues
from tests.support.circuits import breaking_type

EVERY = 60
PROGRESS_EVERY = 30
"""Steps between two looks whether whoever may go gets on."""
SWEEPS, LEASE = 3, 25
SEED = os.environ.get("SIMULATION_SEED")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    seeds, steps = (50, 250) if metafunc.config.getoption("--full") else (5, 90)
    chosen = [int(SEED)] if SEED else [random.randrange(10**6) for _number in range(seeds)]
    metafunc.parametrize(("seed", "steps"), [(seed, steps) for seed in chosen], ids=str)


def check(world: World) -> None:
    """All that holds after each step, of one look at the rows."""
    jobs, moves = world.jobs(), moves_of(world.job_type)
    check_jobs(jobs, moves)
    check_limits(world, jobs)
    check_queues(world, jobs)
    check_due_times(world, jobs)
    check_circuits(world, jobs)
    check_schedules(world, jobs)
    check_relations(world, jobs, moves)


def check_jobs(jobs: list[dict], moves: dict[str, list[tuple]]) -> None:
    written = notes()
    keys = [job["active_key"] for job in jobs if job["active_key"]]
    assert len(keys) == len(set(keys)), "a key is held by one job"
    for job in jobs:
        chain = [move[1:] for move in moves.get(job["name"], ())]
        assert chain[0] == (None, "Pending"), (job, chain)
        for (_before, reached), (left, _after) in itertools.pairwise(chain):
            assert reached == left, (job, chain)
        assert chain[-1][1] == job["status"], (job, chain)
        ended = [to for _from, to in chain if to in ("Completed", "Canceled")]
        assert len(ended) <= 1, (job, chain)
        assert [to for _from, to in chain].count("Running") == job["attempt"], (job, chain)
        assert job["retry_count"] <= job["max_retries"], job
        expected = 1 if job["status"] == "Completed" else 0
        assert written.get(job["name"], 0) == expected, (job, chain)


def check_due_times(world: World, jobs: list[dict]) -> None:
    """No job is queued before the time that was given to it last, and none is gone before its end."""
    due = {job["name"]: job for job in jobs}
    for name, before in world.due.items():
        assert name in due or before["status"] in FINISHED, before
    for name, job in due.items():
        assert not (job["in_line"] and job["waits_for"]), job
        assert not (job["in_line"] and job["due_epoch"] > world.now()), job
        assert (job["in_line"] == LinePlace.IN_LINE) == (job["status"] == "Queued"), job
        before = world.due.get(name)
        is_started = job["status"] in ("Queued", "Running") and before and before["status"] in WAITING
        assert not is_started or job["due_epoch"] <= world.now(), (before, job)
    world.due = due


def check_schedules(world: World, jobs: list[dict]) -> None:
    """Each due time that a schedule has passed had one job and never another; none comes before its time."""
    for job in jobs:
        if run := job["schedule_run"]:
            assert world.runs.setdefault(run, job["name"]) == job["name"], run
    for schedule in world.schedules():
        assert not schedule["refusals"], schedule
        due = schedule["anchor_epoch"] + EVERY
        while due < schedule["next_run_epoch"]:
            assert f"{schedule['name']}@{int(due)}" in world.runs, (schedule, due)
            due += EVERY
        made = [run.partition("@")[2] for run in world.runs if run.startswith(schedule["name"])]
        assert not [run for run in made if run.isdigit() and float(run) >= schedule["next_run_epoch"]], schedule
        assert schedule["next_run_epoch"] <= world.now() + EVERY, schedule


def check_limits(world: World, jobs: list[dict]) -> None:
    """No job starts beyond a cap (those that ran when it was set go on)."""
    running = [job for job in jobs if job["status"] == "Running"]
    for name in (*ORGANIZATIONS, world.job_type):
        cap = world.caps.get(name, 0)
        number = sum(name in (job["organization"], world.job_type) for job in running)
        assert not cap or number <= max(cap, world.ran.get(name, 0)), (name, cap, running)
        world.ran[name] = number


def check_queues(world: World, jobs: list[dict]) -> None:
    """A job is in the queue of its priority. No entry is made beyond one for each worker that serves a queue and one
    more, except for a job that needs one of its own."""
    for job in jobs:
        assert job["queue"] == rows.QUEUE_OF_PRIORITY[job["priority"]], job
    listed, served = world.listed(), doorbells.workers(queues.ALL)
    for queue, number in listed.items():
        at_most = max(max(world.served[queue], served[queue]) + 1, world.rung[queue]) + world.at_front
        assert number <= at_most, (queue, listed, served, world.rung, world.at_front)
    world.rung, world.served, world.at_front = listed, Counter(served), 0


def check_progress(world: World) -> None:
    """Whoever is in line and may go is taken within a few sweeps, whatever became of the entries that rang for it."""
    world.finish_all()
    expected = {job["name"]: job["attempt"] for job in world.jobs() if job["status"] == "Queued" and world.may_go(job)}
    for _sweep in range(SWEEPS):
        world.offset += LEASE  # lost attempts hold their slots until then, lost entries their places
        world.set_database_clock()
        sweeper.sweep()
        world.work()
        frappe.db.rollback()
    left = [job for job in world.jobs() if job["status"] == "Queued" and job["attempt"] == expected.get(job["name"])]
    assert left == [], (left, world.workers(), world.listed())


def check_circuits(world: World, jobs: list[dict]) -> None:
    """Of the attempts that began while their circuit was not closed one is live at most; an open one holds no job
    anywhere but in line."""
    not_closed = set(frappe.get_all("Job Circuit", {"status": ["!=", "Closed"]}, pluck="organization"))
    running = {job["name"]: job["attempt"] for job in jobs if job["status"] == "Running"}
    world.probes = [
        job for job in world.probes if job["organization"] in not_closed and running.get(job["name"]) == job["attempt"]
    ]
    of_organizations = [job["organization"] for job in world.probes]
    assert len(of_organizations) == len(set(of_organizations)), world.probes
    assert not put_back_by_circuits(world.job_type)


def put_back_by_circuits(job_type: str) -> list[tuple[str, str]]:
    return list(
        frappe.db.sql(
            "SELECT l.from_status, l.to_status FROM `tabJob Execution Log` l JOIN `tabBackground Job` j"
            " ON j.name = l.background_job WHERE j.job_type = %s AND l.message LIKE 'Put back in line: %%circuit%%'",
            (job_type,),
        )
    )


def check_relations(world: World, rows: list[dict], moves: dict[str, list[tuple]]) -> None:
    """No job ran before its parents were over, or it does not mind; a batch says what is true of its jobs."""
    jobs = {job["name"]: job for job in rows}
    for name, job in jobs.items():
        start = next((at for at, _from, to in moves[name] if to == "Running"), None)
        for parent in dependencies.parents_of(job["name"], job["depends_on"]) if start else ():
            before = [
                to for at, _from, to in moves.get(parent, ()) if at < start
            ]  # none: it is deleted, so it was over
            allowed = {"Completed", "Canceled", "Dead Letter"} if job["on_parent_failure"] == "run" else {"Completed"}
            # Over at some time: a parent may be retried once it has let the job go.
            assert not before or allowed & {*before}, (job, parent, before)
    for batch in world.batches():
        members = [job["status"] for job in jobs.values() if job["parent_batch"] == batch["name"]]
        made = [job["name"] for job in jobs.values() if job["callback_of"] == batch["name"]]
        noted = [batch[f"{kind}_job"] for kind in CALLBACKS if batch[f"{kind}_job"]]
        assert set(made) <= set(noted), batch
        assert len(made) == len(set(noted)) - sum(name not in jobs for name in noted), batch  # some may be deleted
        is_live = any(status not in FINISHED for status in members)
        assert batch["status"] == "Running" or not is_live, (batch, members)
        has_failed = any(status in ("Canceled", "Dead Letter") for status in members)
        if batch["status"] == "Completed" or batch["on_success_job"]:
            assert not has_failed, (batch, members)


def check_at_the_end(world: World) -> None:
    """What holds also when days have passed at once."""
    frappe.db.rollback()
    jobs, moves = world.jobs(), moves_of(world.job_type)
    check_jobs(jobs, moves)
    check_relations(world, jobs, moves)


def check_ends(world: World) -> None:
    """When all is over, each callback that was due has been made."""
    jobs = world.jobs()
    for batch in world.batches():
        assert batch["status"] != "Running"
        members = [job["status"] for job in jobs if job["parent_batch"] == batch["name"]]
        due = {"on_complete"} | ({"on_failure"} if set(members) & {"Canceled", "Dead Letter"} else set())
        due |= {"on_success"} if batch["status"] == "Completed" else set()
        assert not [kind for kind in due if batch[kind] and not batch[f"{kind}_job"]], (batch, members)


def moves_of(job_type: str) -> dict[str, list[tuple]]:
    """Of each job its moves in their order: the log row's name, the status before and after."""
    rows = frappe.db.sql(
        "SELECT l.background_job, l.name, l.from_status, l.to_status FROM `tabJob Execution Log` l"
        " JOIN `tabBackground Job` j ON j.name = l.background_job WHERE j.job_type = %s ORDER BY l.name",
        (job_type,),
    )
    found: dict[str, list[tuple]] = {}
    for job, *move in rows:
        found.setdefault(job, []).append(tuple(move))
    return found


def notes() -> dict[str, int]:
    rows = frappe.db.sql("SELECT title, COUNT(*) FROM tabNote WHERE title LIKE 'test JOB-%' GROUP BY title")
    return {title.removeprefix("test "): count for title, count in rows}


@pytest.mark.timeout(600, method="thread")
def test_a_random_history_keeps_the_invariants_and_loses_no_job(seed, steps, no_sweeps, monkeypatch):
    job_type = breaking_type(
        "scripted",
        deduplication_window=120,
        max_retries=2,
        retry_delays="5",
        circuit_breaker_window_minutes=10,
        circuit_breaker_cooldown_minutes=1,
    )
    world = World(seed, job_type)
    live_in(world, monkeypatch)
    done: list[str] = []
    queues.serve("all", *queues.ALL)
    if seed % 2:
        world.leave_out_circuits()
    try:
        for number in range(steps):
            done.append(world.step())
            check(world)
            if number % PROGRESS_EVERY == PROGRESS_EVERY - 1:
                check_progress(world)
                jobs = world.jobs()
                check_schedules(world, jobs)  # it has made runs, which the next step may delete
                check_jobs(jobs, moves_of(world.job_type))
                check_due_times(world, jobs)
        world.drain()
        check_at_the_end(world)
        check_ends(world)
        left = [job for job in world.jobs() if job["status"] not in FINISHED]
        assert left == []
        while world.lost:  # workers that wake at the end of all days
            world.wake(world.lost.pop())
        world.work()
        check_at_the_end(world)
    except BaseException:
        print(f"SIMULATION_SEED={seed}\n{' '.join(done)}")
        raise
    finally:
        frappe.db.sql("SET timestamp = DEFAULT")
        world.set_all_free()
