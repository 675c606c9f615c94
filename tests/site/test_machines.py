"""Several machines on one database and one Redis: processes with host names and clocks of their own."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.jobs import cancel_job
from tests.support import factory, processes
from tests.support.jobs import status, submit_many, submitted_with
from tests.support.layouts import horse_of, leader, workers_of
from tests.support.settings import settings
from tests.support.waiting import until

AHEAD = 3
LEASE = 5
BOTH = 4
"""Workers of both machines together."""


def machine(name: str, ahead: float) -> str:
    """Code that gives a process this host name, and a clock so many seconds ahead of this machine's."""
    return (
        "import socket, time; clock = time.time; "
        f"time.time = lambda: clock() + {ahead}; socket.gethostname = lambda: '{name}'"
    )


@pytest.fixture
def machines(site, tmp_path) -> Iterator[dict[str, list[processes.Process]]]:
    """Two workers on each of two machines."""
    sites = processes.Sites(tmp_path / "bench")
    found: dict[str, list[processes.Process]] = {}
    try:
        for name, ahead in (("slow-clock", 0), ("fast-clock", AHEAD)):
            found[name] = processes.start_workers(2, sites=sites, through=machine(name, ahead))
        with settings(lease_seconds=LEASE):
            yield found
    finally:
        processes.stop_all([process for some in found.values() for process in some])


def occupy(seconds: float) -> dict[str, list]:
    """A job on each worker, by machine."""
    many = submit_many(factory.job_type("quiet", "quiet"), BOTH, seconds=seconds)
    until(lambda: all(status(job) == "Running" for job in many), 30, "a job on each worker")
    found: dict[str, list] = {}
    for job in many:
        found.setdefault(workers_of(job.name)[0].partition(":")[0], []).append(job)
    return found


def test_both_work_and_the_lease_of_a_job_holds_on_the_other(machines):
    # Longer than the lease: only heartbeats keep the other machine's sweeps off, by the database's clock.
    found = occupy(LEASE + 2 * AHEAD)
    assert {name: len(jobs) for name, jobs in found.items()} == dict.fromkeys(machines, 2)
    for job in found["slow-clock"] + found["fast-clock"]:
        until(lambda job=job: status(job) == "Completed", 40, "the end")
        assert len(workers_of(job.name)) == 1


@pytest.mark.parametrize("name", ["slow-clock", "fast-clock"])
def test_the_job_of_a_killed_machine_is_tried_again_by_the_other(machines, name):
    jobs = occupy(8)
    for job in jobs[name]:
        horse = horse_of(job.name)
        for process in (horse.parent(), horse):
            process.kill()
    for job in jobs[name]:
        until(lambda job=job: status(job) == "Completed", 60, "the end of the second attempt")
        first, second = workers_of(job.name)
        assert first.startswith(name)
        assert not second.startswith(name)


def test_a_cancel_and_a_stop_by_force_reach_the_other_machine(machines):
    with settings(cancel_grace_seconds=2):
        both = [job for jobs in occupy(90).values() for job in jobs]
        for job in both:
            cancel_job(job.name)
        frappe.db.commit()
        for job in both:
            until(lambda job=job: status(job) == "Canceled", 40, "the stop")


def test_what_is_due_starts_on_time_and_another_machine_follows_a_killed_leader(machines):
    host = until(leader, 30, "a leader").split()[0]
    for process in machines[host.decode()]:
        process.signal(signal.SIGKILL)
    until(lambda: (found := leader()) and not found.startswith(host), 30, "a leader on the other machine")
    job = submitted_with("echo_job", available_at=2)
    until(lambda: status(job) == "Completed", 2 + AHEAD + 5, "a job that is due")
