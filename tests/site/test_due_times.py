"""What is due starts within seconds, by genuine Frappe processes: `bench worker` and `bench schedule`, nothing else.

Frappe's scheduler ticks once an hour here. How late things are `./dev bench due` measures; these tests leave a busy
machine some more time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.rq import leader, redis_queue
from tests.support import database, factory, processes
from tests.support.jobs import status, submitted_with
from tests.support.schedules import due_in, due_times, every, made
from tests.support.settings import system_settings
from tests.support.waiting import until

SOON = 4
PATIENCE = 20
STARTED = "SELECT COUNT(*) FROM `tabBackground Job` WHERE name = %s AND attempt >= %s"


@pytest.fixture
def sites(tmp_path: Path) -> processes.Sites:
    return processes.Sites(tmp_path / "bench")


@pytest.fixture
def start_scheduler(site, sites) -> Iterator[Callable[..., processes.Process]]:
    """A function that starts one more `bench schedule`."""
    started: list[processes.Process] = []

    def start() -> processes.Process:
        started.append(processes.start_scheduler(sites))
        return started[-1]

    yield start
    processes.stop_all(started)


@pytest.fixture
def scheduler(start_scheduler) -> processes.Process:
    """`bench schedule`, when it looks at the site."""
    process = start_scheduler()
    until(leader_now, 60, "the first look")
    return process


def leader_now() -> bytes | None:
    return processes.queue_client().get(redis_queue.site_key(leader.LEADER))


def starts(job, attempt: int = 1) -> bool:
    return until(lambda: database.value(STARTED, job.name, attempt), SOON + PATIENCE, f"the start of {job.name}")


def all_are_on_time() -> None:
    """A retry, a job for later and a schedule's run, each due in SOON seconds, start on time."""
    failing = factory.job_type("flaky", "raises", retry_delays=str(SOON), max_retries=1)
    plain = factory.job_type("plain")
    retried = submitted_with(failing, parameters={"what": "connection"})
    until(lambda: status(retried) == "Failed", 20, "the first attempt")
    schedule = made(plain, **every(60))
    due_in(schedule, SOON)
    frappe.db.commit()
    later = submitted_with(plain, available_at=SOON)
    assert starts(retried, attempt=2)
    assert starts(later)
    until(lambda: due_times(schedule), PATIENCE, "the schedule's run")


def is_on_time() -> bool:
    """Whether a job for later starts on time."""
    return starts(submitted_with("echo_job", parameters={"n": frappe.generate_hash()}, available_at=SOON))


def test_a_scheduler_that_is_off_keeps_nothing_waiting(scheduler, workers):
    with system_settings(enable_scheduler=0):
        all_are_on_time()


def test_beside_a_busy_worker_alone_what_is_due_starts_on_time(workers):
    # By its heartbeat: there is no scheduler, and nothing settles or is submitted meanwhile.
    busy = submitted_with(factory.job_type("busy", "quiet"), parameters={"seconds": 30})
    until(lambda: status(busy) == "Running", 20, "a busy worker")
    all_are_on_time()
    assert status(busy) == "Running", "else nothing is shown by this"


def test_another_one_follows_when_the_leader_is_killed(scheduler, workers):
    agent = processes.start_agent()
    try:
        holder = until(leader_now, 20, "a leader")
        os.kill(int(holder.split()[1]), signal.SIGKILL)
        until(lambda: leader_now() not in (holder, None), 30, "another leader")
        assert is_on_time()
    finally:
        agent.stop()


def test_redis_may_be_away(scheduler, workers, redis_restarts):
    processes.stop_redis()
    job = submitted_with("echo_job", available_at=SOON)
    until(lambda: clock.now_epoch() > job.due_epoch + 1, 20, "the due time")
    redis_restarts()
    worker = processes.start_worker()
    try:
        assert scheduler.running
        until(leader_now, 20, "a look after the restart")
        assert starts(job)
        assert is_on_time()
    finally:
        worker.stop()


def test_the_database_may_be_away(scheduler, sites, workers):
    sites.configure(frappe.local.site, db_port=1, db_host="127.0.0.1", db_socket=None)
    until(lambda: leader_now() is None, 30, "looks that fail")
    assert scheduler.running
    sites.configure(frappe.local.site)
    until(leader_now, 30, "a look")
    assert is_on_time()


def test_a_site_in_maintenance_is_left_alone_until_that_is_over(scheduler, sites, workers):
    sites.configure(frappe.local.site, maintenance_mode=1)
    until(lambda: leader_now() is None, 30, "the end of looks")
    job = submitted_with("echo_job", available_at=1)
    until(lambda: clock.now_epoch() > job.due_epoch + 3, 20, "the due time, and more")
    assert status(job) == "Pending"
    sites.configure(frappe.local.site)
    assert starts(job)


def test_sites_come_and_go_beside_broken_ones(sites, start_scheduler, workers):
    name = frappe.local.site
    sites.remove(name)
    sites.add("a-broken.test", db_name="none", db_password="none", db_user="none")
    (sites.path / "b-invalid.test").mkdir()
    (sites.path / "b-invalid.test" / "site_config.json").write_text("{")
    scheduler = start_scheduler()
    sites.add(name)
    until(leader_now, 60, "a look at the new site")
    assert is_on_time()
    sites.remove(name)
    until(lambda: leader_now() is None, 30, "the end of looks")
    sites.add(name)
    until(leader_now, 30, "a look at the site that is there again")
    assert scheduler.running


def test_the_scheduler_ends_when_it_is_told_to(scheduler):
    scheduler.signal(signal.SIGTERM)
    scheduler.popen.wait(10)
    assert scheduler.popen.returncode in (-signal.SIGTERM, 1)


def test_frappes_own_loop_ticks_beside_it(sites, start_scheduler, workers):
    scheduled = {"method": ("like", "dartwing_core.jobs.sweep.sweeper%")}
    name = frappe.db.get_value("Scheduled Job Type", scheduled)
    before = clock.site_time() - timedelta(hours=1)
    frappe.db.set_value("Scheduled Job Type", name, "last_execution", before, update_modified=False)
    frappe.db.commit()
    sites.configure_all(scheduler_tick_interval=1)
    start_scheduler()
    latest = "SELECT last_execution > %s FROM `tabScheduled Job Type` WHERE name = %s"
    until(lambda: database.value(latest, before, name), 60, "a run by Frappe's scheduler")
