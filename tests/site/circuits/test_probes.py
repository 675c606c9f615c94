"""After the cool-down one attempt tries, and one alone: the probe. What becomes of it decides.

Seen failing: without the guard in `circuits.claim_probe` several of sixteen claimers succeed; without the probe's row
in `circuits.of_types` a probe whose worker died keeps all others waiting for ever.
"""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import cancel_job, get_job_status, get_open_circuits, manually_close_circuit, submit_job
from dartwing_core.jobs.line import claim
from dartwing_core.jobs.sweep import sweeper
from tests.support import attempts, database, factory, processes
from tests.support.circuits import COOL_DOWN, breaking_type, change, fails, nobody_goes, opened, planned, row, state
from tests.support.jobs import lose, status
from tests.support.queues import listed
from tests.support.sessions import committed, in_parallel

pytestmark = pytest.mark.usefixtures("no_sweeps")

TAKERS = 16


@pytest.fixture
def job_type(site, times) -> str:
    """One whose circuit is open."""
    name = breaking_type()
    opened(name)
    return name


def statuses(jobs) -> list[str]:
    return sorted(status(job) for job in jobs)


def test_one_starts_and_the_others_follow_when_it_succeeds(job_type, times):
    jobs = [planned(job_type, "ok") for _number in range(3)]
    processes.queue_client().flushdb()
    times.cool_down()
    assert listed("default") == [jobs[0].name]
    running = attempts.begun_next()
    probe = running.job.name
    assert nobody_goes()
    assert statuses(jobs) == ["Queued", "Queued", "Running"]
    (found,) = get_open_circuits()
    assert (found["status"], found["probe_job"]) == ("Half Open", probe)
    held = next(job for job in jobs if status(job) == "Queued")
    reason = get_job_status(held.name)["waiting_reason"]
    assert reason == f"The circuit of {job_type} is being tried by another job."
    processes.queue_client().flushdb()
    running.make()
    assert state(job_type) == "Closed"
    assert listed("default") == [held.name], "workers look at once"
    assert (row(job_type).closed_by, row(job_type).probe_job) == (None, None)
    assert len(attempts.run_all()) == 2
    assert statuses(jobs) == ["Completed"] * 3


def test_one_that_fails_opens_it_for_another_cool_down(job_type, times):
    jobs = [planned(job_type, "fail", "ok") for _number in range(3)]
    times.cool_down()
    probe = attempts.run_next()
    assert get_job_status(probe)["status"] == "Failed"
    assert state(job_type) == "Open"
    sweeper.sweep()
    assert nobody_goes()
    assert statuses(jobs) == ["Failed", "Queued", "Queued"]
    times.cool_down()
    assert attempts.begun_next().job.name != probe
    assert nobody_goes()


@pytest.mark.parametrize("ending", ["dead", "snooze", "canceled"])
def test_one_that_says_nothing_lets_the_next_try_at_once(times, ending):
    job_type = breaking_type()
    opened(job_type)
    for _number in range(2):
        planned(job_type, "fail" if ending == "canceled" else ending)
    times.cool_down()
    running = attempts.begun_next()
    probe = running.job.name
    if ending == "canceled":
        committed(cancel_job, probe)
    running.make()
    frappe.set_user("Administrator")
    assert state(job_type) == "Half Open"
    assert attempts.begun_next().job.name != probe


WAYS = {"by turn": lambda _job: claim.Claimer().claim_next(), "by name": lambda job: attempts.taken(job.name, 1)}


@pytest.mark.parametrize("way", WAYS)
def test_of_many_takers_at_once_one_succeeds(job_type, times, way):
    # All of them were in line before it opened.
    committed(manually_close_circuit, job_type, factory.ALPHA)
    jobs = [planned(job_type, "ok") for _number in range(TAKERS)]
    fails(job_type, 2)
    times.pass_by(COOL_DOWN)
    found = in_parallel([lambda job=job: WAYS[way](job) for job in jobs])
    assert not [result for result in found if isinstance(result, BaseException)], found
    (probe,) = [result for result in found if result]
    assert statuses(jobs) == ["Queued"] * (TAKERS - 1) + ["Running"]
    assert (row(job_type).probe_job, row(job_type).probe_attempt) == (probe.name, 1)
    held = database.rows(
        "SELECT attempt, retry_count FROM `tabBackground Job` WHERE job_type = %s AND status = 'Queued'", job_type
    )
    assert set(held) == {(0, 0)}, "being held costs nothing"


def test_a_full_cap_holds_the_probe_and_uses_up_none(times):
    # Seen failing (the probe runs beyond the cap) with the caps asked for closed circuits alone.
    job_type = breaking_type("capped")
    elsewhere = committed(submit_job, job_type, factory.BETA, {"plan": ["ok"]})
    running = attempts.begun(elsewhere.name, 1)
    opened(job_type)
    change(job_type, max_concurrent=1)
    jobs = [planned(job_type, "ok") for _number in range(2)]
    times.cool_down()
    assert nobody_goes()
    assert (state(job_type), statuses(jobs)) == ("Open", ["Queued"] * 2)
    running.make()
    frappe.set_user("Administrator")
    probe = attempts.begun_next()
    assert probe.job.is_probe
    assert nobody_goes()
    probe.make()
    assert state(job_type) == "Closed"
    assert len(attempts.run_all()) == 1


def test_a_probe_whose_worker_died_makes_room_for_the_next(job_type, times):
    first, second = planned(job_type, "ok"), planned(job_type, "ok")
    times.cool_down()
    dead = attempts.begun_next()
    lose(first)
    lose(second)
    assert sweeper.sweep().rescued == 1
    assert state(job_type) == "Half Open"
    probe = claim.Claimer().claim_next()
    assert row(job_type).probe_job == probe.name
    assert dead.make().end is None, "it decides nothing"
    assert state(job_type) == "Half Open"


def test_a_worker_that_dies_between_settle_and_what_follows_keeps_nobody_waiting(job_type, times):
    for _number in range(2):
        planned(job_type, "ok")
    times.cool_down()
    attempts.begun_next().settle()
    assert state(job_type) == "Half Open"
    processes.queue_client().flushdb()
    assert sweeper.sweep().rung == 1
    assert get_job_status(attempts.run_next())["status"] == "Completed"
    assert state(job_type) == "Closed"


def test_a_circuit_closed_by_hand_stays_closed_whatever_the_probe_says(job_type, times):
    job = planned(job_type, "fail")
    times.cool_down()
    running = attempts.begun(job.name, 1)
    committed(manually_close_circuit, job_type, factory.ALPHA)
    running.make()
    assert state(job_type) == "Closed"
