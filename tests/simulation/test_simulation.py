"""Seeded simulation: after every step of a random history the invariants hold, and in the end no job is left (R14).

A failure prints its seed; `SIMULATION_SEED=<seed> ./dev test tests/simulation -k history` plays it again.
"""

from __future__ import annotations

import itertools
import os
import random

import frappe
import pytest

from dartwing_core.jobs import sweeper
from dartwing_core.jobs.status import FINISHED
from tests.simulation.world import ORGANIZATIONS, WINDOW, World, now_of
from tests.support import factory

SEED = os.environ.get("SIMULATION_SEED")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    seeds, steps = (50, 250) if metafunc.config.getoption("--full") else (5, 90)
    chosen = [int(SEED)] if SEED else [random.randrange(10**6) for _number in range(seeds)]
    metafunc.parametrize(("seed", "steps"), [(seed, steps) for seed in chosen], ids=str)


def check(world: World) -> None:
    jobs = world.jobs()
    chains = histories(world.job_type)
    written = notes()
    keys = [job["active_key"] for job in jobs if job["active_key"]]
    assert len(keys) == len(set(keys)), "a key is held by one job"
    for job in jobs:
        chain = chains.get(job["name"], [])
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


def check_limits(world: World) -> None:
    """No job starts beyond a cap (those that ran when it was set go on), and the window holds.

    One transaction of the world submits three jobs at most; it may find a place for all of them at once, or for none.
    """
    running = world.running()
    for name in (*ORGANIZATIONS, world.job_type):
        cap = world.caps.get(name, 0)
        number = sum(name in (job["organization"], job["job_type"]) for job in running)
        assert not cap or number <= max(cap, world.ran.get(name, 0)), (name, cap, running)
        world.ran[name] = number
    queued = [job["name"] for job in world.jobs() if job["status"] == "Queued"]
    assert len(queued) <= WINDOW + 3, queued


def histories(job_type: str) -> dict[str, list[tuple]]:
    rows = frappe.db.sql(
        "SELECT l.background_job, l.from_status, l.to_status FROM `tabJob Execution Log` l"
        " JOIN `tabBackground Job` j ON j.name = l.background_job WHERE j.job_type = %s ORDER BY l.name",
        (job_type,),
    )
    chains: dict[str, list[tuple]] = {}
    for job, from_status, to_status in rows:
        chains.setdefault(job, []).append((from_status, to_status))
    return chains


def notes() -> dict[str, int]:
    rows = frappe.db.sql("SELECT title, COUNT(*) FROM tabNote WHERE title LIKE 'test JOB-%' GROUP BY title")
    return {title.removeprefix("test "): count for title, count in rows}


@pytest.mark.timeout(600)
def test_a_random_history_keeps_the_invariants_and_loses_no_job(seed, steps, monkeypatch):
    job_type = factory.job_type("scripted", "scripted", deduplication_window=120, max_retries=2, retry_delays="5")
    frappe.db.commit()
    world = World(seed, job_type)
    now_of(world, monkeypatch)
    for own_accord in ("sweep_now_and_then", "sweep_after_submit"):  # by real time, which no seed decides
        monkeypatch.setattr(sweeper, own_accord, lambda: None)
    done: list[str] = []
    world.set_setting("queue_window", WINDOW)
    try:
        for _number in range(steps):
            done.append(world.step())
            check(world)
            check_limits(world)
        world.drain()
        check(world)
        left = [job for job in world.jobs() if job["status"] not in FINISHED]
        assert left == []
        for job in world.lost:  # workers that wake at the end of all days
            world.settle(job)
        check(world)
    except BaseException:
        print(f"SIMULATION_SEED={seed}\n{' '.join(done)}")
        raise
    finally:
        frappe.db.sql("SET timestamp = DEFAULT")
        world.set_all_free()
