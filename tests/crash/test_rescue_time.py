"""How long after a kill the next attempt begins, where a worker is free to make it (R2).

In full: 30 kills with the lease of 20 s that a site has by default; at most 22 s with the agent and 25 s with another
worker alone (95 of 100). In CI: 10 kills with a lease of 5 s, and 5 s and 10 s on top of it.

A busy machine starts any job late. How late is seen in the same run: the first attempts go the same way (entry, fork,
claim) on the same workers, as many at once, and without a rescue. Their p95 above USUAL_START is allowed on top, up to
MOST_ALLOWED; the median has to do without. So a rescue that comes late is seen on any machine.

Seen failing: the agent's without `rescue.sweep` in the sweep; the workers' without `sweep_now_and_then` in the
executor, and by a breath with it at the end of each slice alone.
"""

from __future__ import annotations

import math
import os
import random
import signal
import statistics
import time
from datetime import datetime

import pytest

from dartwing_core.jobs.lib import clock
from tests.support import database, factory
from tests.support.fleet import Fleet
from tests.support.jobs import submit_many
from tests.support.settings import settings
from tests.support.waiting import until

USUAL_START, MOST_ALLOWED = 1.0, 5.0
"""Seconds from a submit to a start on an idle machine, and those that a busy one may be later."""
RUNNING = """
    SELECT j.name, l.worker, TIMESTAMPDIFF(MICROSECOND, j.created_at, j.started_at) / 1e6 FROM `tabBackground Job` j
    JOIN `tabJob Execution Log` l ON l.background_job = j.name AND l.to_status = 'Running'
    WHERE j.job_type = %s AND j.status = 'Running' AND j.attempt = 1
"""
NEXT_ATTEMPT = "SELECT started_at FROM `tabBackground Job` WHERE name = %s AND attempt = 2"


@pytest.fixture
def no_agent(site):
    with Fleet(has_agent=False) as crew:
        yield crew


def job_types() -> tuple[str, str]:
    """One whose first attempt hangs, and one of small jobs; each has a queue of its own."""
    victims = factory.job_type("victim", f"{factory.FAULTS}.first_hangs", queue="short")
    others = factory.job_type("other", "quiet", queue="long")
    return victims, others


def kill_first_attempts(job_type: str, number: int, oldest: float, starts: list[float]) -> dict[str, datetime]:
    """Kill -9 so many first attempts, each at an age of at most `oldest` seconds; when each was killed.

    `starts` gains the seconds after which each has begun.
    """
    doomed: dict[str, tuple[float, int]] = {}
    killed: dict[str, datetime] = {}

    def all_killed() -> bool:
        for job, worker, start in database.rows(RUNNING, job_type):
            if job not in doomed:
                starts.append(float(start))
            doomed.setdefault(job, (time.monotonic() + random.uniform(0, oldest), int(worker.rpartition(":")[2])))
        for job, (moment, pid) in doomed.items():
            if job not in killed and time.monotonic() > moment:
                os.kill(pid, signal.SIGKILL)
                killed[job] = clock.site_time()
        return len(killed) == number

    until(all_killed, 60 + oldest, "all kills")
    return killed


def seconds_until_tried_again(killed: dict[str, datetime], within: float) -> list[float]:
    """From each kill to the start of its job's next attempt."""
    again = {job: until(lambda job=job: database.value(NEXT_ATTEMPT, job), within, "the attempt") for job in killed}
    return [(again[job] - moment).total_seconds() for job, moment in killed.items()]


def assert_tried_again_within(limit: float, kills: int, at_once: int, oldest: float, background_jobs: int = 0) -> None:
    """Kill so many first attempts in rounds; in 95 of 100 cases the next one begins in time.

    As many jobs in a round as workers serve them, so that one is free for each when its lease ends.
    """
    victims, others = job_types()
    delays: list[float] = []
    starts: list[float] = []
    while len(delays) < kills:
        submit_many(others, background_jobs, seconds=0.15)
        submit_many(victims, at_once)
        delays += seconds_until_tried_again(kill_first_attempts(victims, at_once, oldest, starts), 60)
    median, in_95 = statistics.median(delays), percentile_95(delays)
    allowed = min(MOST_ALLOWED, max(0.0, percentile_95(starts) - USUAL_START))
    print(f"{len(delays)} kills: median {median:.1f} s, p95 {in_95:.1f} s, longest {max(delays):.1f} s")
    print(f"p95 of the first starts: {percentile_95(starts):.1f} s, so {allowed:.1f} s are the machine's")
    assert median <= limit, delays
    assert in_95 <= limit + allowed, delays


def percentile_95(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


@pytest.mark.timeout(600)
def test_with_the_agent_a_killed_job_is_tried_again_within_22_seconds(fleet: Fleet, size):
    workers = size(5, 10)
    with settings(lease_seconds=size(5, 20)):
        fleet.hire(workers)
        assert_tried_again_within(size(5 + 5, 22), size(10, 30), workers, oldest=size(2.5, 8))


@pytest.mark.timeout(600)
def test_with_another_worker_alone_it_is_tried_again_within_25_seconds(no_agent: Fleet, size):
    workers = size(5, 10)
    with settings(lease_seconds=size(5, 20)):
        no_agent.hire(1, queues="long")
        no_agent.hire(1 + workers, queues="short")
        assert_tried_again_within(size(5 + 10, 25), size(10, 30), workers, size(2.5, 8), background_jobs=size(75, 200))
