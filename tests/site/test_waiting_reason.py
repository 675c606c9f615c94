"""The words for why a job is not running: true, complete, and the same for REST and Desk.

Seen failing: each case without its branch in `waiting_reason`.
"""

from __future__ import annotations

import re
from datetime import timedelta

import frappe
import pytest
from frappe.utils import formatdate

from dartwing_core.jobs import get_job_status, list_jobs
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.read import holdups, waiting_reason
from dartwing_core.jobs.rq import due_sites, redis_queue
from dartwing_core.jobs.status import LinePlace
from dartwing_core.jobs.sweep import sweeper
from tests.support import attempts, database, factory
from tests.support.jobs import reason, run, set_columns, submitted, submitted_with
from tests.support.queues import serve

pytestmark = pytest.mark.usefixtures("no_sweeps")


@pytest.fixture(autouse=True)
def somebody_watches(no_sweeps) -> None:
    """As on a bench with workers; though here nobody does."""
    due_sites.of_bench().lead("somebody")


@pytest.fixture
def in_line(job_type):
    """A function that makes a job that awaits its turn, in a queue that somebody serves."""
    serve("one", "default")

    def make(state: int = LinePlace.IN_LINE):
        job = submitted(job_type)
        if state == LinePlace.HELD:
            set_columns(job, status="Pending", in_line=state)
        return job

    return make


def limit(**values) -> None:
    """Set columns of Test Alpha."""
    frappe.db.set_value("Organization", factory.ALPHA, values)
    frappe.db.commit()


def test_a_child_names_its_parent(job_type):
    parent = submitted(job_type)
    child = submitted_with(job_type, depends_on=parent.name)
    assert reason(child) == f"Waits for {parent.name}."


def test_a_later_job_says_when_it_starts(job_type):
    job = submitted_with(job_type, available_at=timedelta(minutes=3))
    at = clock.site_time(job.due_epoch)
    assert re.fullmatch(rf"Starts at (\S+ )?{at:%H:%M} \(in 3 min\)\.", reason(job))


def test_a_failed_job_says_when_it_is_retried_and_how_often(site):
    job = submitted(factory.job_type("fails", "raises", max_retries=4, retry_delays="300"), what="connection")
    assert run(job)["status"] == "Failed"
    frappe.db.commit()
    assert re.fullmatch(r"Retries at (\S+ )?\d\d:\d\d \(in 5 min\), attempt 2 of 5\.", reason(job))


def test_times_are_those_of_the_users_zone(site, alice):
    noon = 1_700_049_600  # 12:00 UTC on 15 November 2023
    frappe.db.set_value("User", alice, "time_zone", "Asia/Tokyo")
    frappe.clear_document_cache("User", alice)
    frappe.set_user(alice)
    try:
        assert waiting_reason.clock_time(noon, noon) == "21:00"
        tomorrow = waiting_reason.clock_time(noon + 4 * 3600, noon)
        assert tomorrow == f"{formatdate('2023-11-16')} 01:00"
    finally:
        frappe.set_user("Administrator")
        frappe.db.set_value("User", alice, "time_zone", None)
        frappe.clear_document_cache("User", alice)
        frappe.db.commit()


def test_an_organization_over_its_waiting_limit_is_named(in_line):
    limit(max_waiting=20, on_queue_full="Hold")
    assert reason(in_line(LinePlace.HELD)) == "Held: the organization is over its limit of 20 waiting jobs."


def test_caps_are_named_with_the_turn(in_line):
    factory.job_type("plain", max_concurrent=7, max_concurrent_per_organization=2)
    limit(max_running=3)
    assert reason(in_line()) == (
        "Waits for its turn. The organization's limit of running jobs is 3. "
        "The limit of running jobs of this type is 7. The organization's limit of running jobs of this type is 2."
    )


@pytest.fixture
def overdue(job_type):
    job = submitted_with(job_type, available_at=timedelta(minutes=3))
    set_columns(job, due_epoch=clock.now_epoch() - 1)
    return job


def test_a_job_that_is_due_says_that_it_starts_soon(overdue):
    # Seen failing: "Waits for its turn.", for minutes and beside idle workers.
    assert reason(overdue) == "Due, starts within seconds."


def test_where_nobody_watches_jobs_the_lists_and_the_log_say_so(job_type, overdue):
    due, key = due_sites.of_bench(), due_sites.of_bench()._looked_at
    due.client.set(key, clock.now_epoch() - 31)
    words = (
        "Nothing looks for due jobs: no worker of this bench has been seen that would. "
        "Restart the workers, or run bench job-engine agent."
    )
    assert reason(overdue) == words
    due.client.delete(key)
    assert reason(overdue) == words
    running = submitted(job_type, n=2)
    set_columns(running, status="Running", in_line=0, attempt=1, started_epoch=clock.now_epoch())
    assert reason(running) is None
    set_columns(running, started_epoch=1)
    assert reason(running) == words
    assert [line["reason"] for line in holdups.get_holdups()] == [words]
    due.lead("somebody")
    assert reason(running) == "Its worker is lost. It is tried again within seconds."
    assert reason(overdue) == "Due, starts within seconds."
    assert holdups.get_holdups() == []
    sweeper.sweep()
    assert reason(overdue) == 'No worker serves the queue "default" at the moment.'


def test_a_queued_job_says_whether_anybody_serves_its_queue(job_type):
    job = submitted(job_type)
    assert reason(job) == 'No worker serves the queue "default" at the moment.'
    serve("one", "default")
    assert reason(job) == "Waits for a free worker."


def test_without_redis_there_are_words_too(job_type, overdue, monkeypatch):
    job = submitted(job_type, n=2)
    monkeypatch.setattr(redis_queue, "if_there", lambda _ask: None)
    assert reason(job) == "Waits for a free worker."
    assert reason(overdue) == "Due. The queue can't be reached at the moment."


def test_jobs_that_wait_for_nothing_have_no_reason(job_type):
    job = submitted(job_type)
    attempts.taken(job.name, 1)
    assert reason(job) is None
    for status in ("Completed", "Canceled", "Dead Letter"):
        set_columns(job, status=status)
        assert reason(job) is None


def test_the_words_cost_one_statement_however_many_jobs(in_line, alice):
    jobs = [in_line() for _number in range(3)]
    for job in jobs:
        set_columns(job, owner_user=alice)
    frappe.set_user(alice)
    get_job_status(jobs[0].name)
    with database.statements() as seen:
        assert get_job_status(jobs[0].name)["waiting_reason"] == "Waits for a free worker."
    assert len(seen) <= 3, seen
    with database.statements() as seen:
        assert {job["waiting_reason"] for job in list_jobs()["jobs"]} == {"Waits for a free worker."}
    assert len(seen) <= 4, seen
