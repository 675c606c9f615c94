"""The loop that looks at sites, in this process: what it costs, when it sweeps, whom it leaves alone.

Real processes of it are in tests/site/test_due_times.py.
"""

from __future__ import annotations

import os
import threading
import time

import frappe
import pytest

from dartwing_core import commands
from dartwing_core.jobs.access import permission
from dartwing_core.jobs.lib import clock, config
from dartwing_core.jobs.rq import leader, redis_queue
from dartwing_core.jobs.sweep import agent, sweeper
from tests.support import database, factory, processes
from tests.support.jobs import set_columns, submitted_with
from tests.support.schedules import every, made
from tests.support.waiting import until

SITES = os.environ.get("DW_SITES_PATH", "")
SITE = os.environ.get("DW_SITE", "")


@pytest.fixture
def sweeps(monkeypatch) -> list[str]:
    """Gains the site's name with each sweep, which is not made."""
    seen: list[str] = []
    monkeypatch.setattr(sweeper, "sweep", lambda: seen.append(frappe.local.site))
    return seen


@pytest.fixture
def watch(sweeps) -> agent.Site:
    """One that leads, and has just swept."""
    found = agent.Site(SITE)
    assert found.sweep_if_leader() == agent.INTERVAL
    sweeps.clear()
    return found


def test_an_idle_site_is_not_swept_and_seldom_looked_at(watch, sweeps):
    assert (watch.sweep_if_leader(), sweeps) == (agent.IDLE, [])


def test_a_look_at_an_idle_site_costs_one_statement_and_two_round_trips(watch):
    watch.sweep_if_leader()
    with database.statements() as seen:
        watch.sweep_if_leader()
    assert len(seen) == 1, seen


def test_what_is_due_is_swept_and_what_is_due_soon_is_awaited(watch, sweeps, job_type):
    job = submitted_with(job_type, available_at=3_600)
    assert (watch.sweep_if_leader(), sweeps) == (agent.IDLE, [])
    set_columns(job, due_epoch=clock.now_epoch() + 0.7)
    assert 0 < watch.sweep_if_leader() < 0.75
    set_columns(job, due_epoch=1)
    watch.sweep_if_leader()
    assert sweeps == [frappe.local.site]


@pytest.mark.parametrize("status", ["Failed", "Timed Out", "Queued", "Running"])
def test_retries_and_live_jobs_are_swept(watch, sweeps, job_type, status):
    job = submitted_with(job_type, available_at=3_600)
    set_columns(job, status=status, in_line=int(status == "Queued"), due_epoch=1)
    watch.sweep_if_leader()
    assert len(sweeps) == 1


def test_schedules_are_swept_when_they_are_due(watch, sweeps, job_type):
    schedule = made(job_type, **every(60))
    assert (watch.sweep_if_leader(), sweeps) == (agent.IDLE, [])
    frappe.db.set_value(config.SCHEDULE, schedule.name, "look_at_epoch", 1)
    watch.sweep_if_leader()
    assert len(sweeps) == 1


def test_where_nothing_is_due_a_sweep_follows_all_the_same(watch, sweeps, monkeypatch, job_type):
    # What no due time tells: batches and children whose parent's end was missed.
    monkeypatch.setattr(agent, "WITH_DEPENDENTS", 0)
    watch.sweep_if_leader()
    assert sweeps == []
    parent = submitted_with(job_type, available_at=3_600)
    submitted_with(job_type, parameters={"n": 1}, depends_on=parent.name)
    watch.sweep_if_leader()
    assert len(sweeps) == 1
    monkeypatch.setattr(agent, "ANYWAY", 0)
    factory.wipe()
    watch.sweep_if_leader()
    assert len(sweeps) == 2


def test_of_two_one_leads_until_it_resigns(watch, sweeps):
    other = agent.Site(SITE)
    assert (other.sweep_if_leader(), sweeps) == (agent.INTERVAL, [])
    watch.sweep_if_leader()
    watch.resign()
    other.sweep_if_leader()
    assert len(sweeps) == 1
    watch.resign()
    assert processes.queue_client().exists(redis_queue.site_key(leader.LEADER)), "it is not its own to give away"


def test_another_one_leads_when_the_leader_is_gone(watch, sweeps, monkeypatch):
    monkeypatch.setattr(leader, "LEASE", 0.1)
    watch.sweep_if_leader()
    other = agent.Site(SITE)
    until(lambda: other.sweep_if_leader() and sweeps, 5, "a sweep by the other one")


def test_who_settles_sweeps_only_where_nobody_leads(watch, sweeps):
    watch.sweep_if_leader()
    sweeper.sweep_now_and_then()
    assert sweeps == []
    watch.resign()
    sweeper.sweep_now_and_then()
    sweeper.sweep_now_and_then()
    assert len(sweeps) == 1


def test_a_site_in_maintenance_is_left_alone(sweeps, monkeypatch):
    monkeypatch.setitem(frappe.conf, "maintenance_mode", 1)
    with database.statements() as seen:
        assert agent.Site(SITE).sweep_if_leader() == agent.IDLE
    assert (sweeps, len(seen)) == ([], 0)


def test_a_site_without_the_app_is_asked_seldom(sweeps, monkeypatch):
    monkeypatch.setattr(frappe, "get_installed_apps", lambda **_options: ["frappe"])
    assert (agent.Site(SITE).sweep_if_leader(), sweeps) == (agent.SELDOM, [])


def run_for(names, looks: int) -> None:
    """So many rounds of the loop over these sites."""
    stop, number = threading.Event(), iter(range(looks))

    def listed() -> list[str]:
        if next(number, None) is None:
            stop.set()
        return names

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agent, "LIST_INTERVAL", 0.0)
        agent.run(stop, listed, SITES)


def test_the_loop_touches_no_context_but_its_own(sweeps):
    before = (frappe.local.site, frappe.local.db, frappe.session.user, frappe.local.conf)
    run_for([SITE], 30)
    assert sweeps
    assert before == (frappe.local.site, frappe.local.db, frappe.session.user, frappe.local.conf)
    assert frappe.local.db.sql("SELECT 1") == ((1,),)


def test_each_look_sees_what_has_changed_since(alice, sweeps, monkeypatch):
    # Seen failing: Frappe keeps permissions for the length of a request, and the agent had one for its whole life.
    role, requirement = {"parent": alice, "role": "Script Manager"}, "Server Script:read"
    answers: list[bool] = []
    monkeypatch.setattr(agent, "ANYWAY", 0)
    monkeypatch.setattr(sweeper, "sweep", lambda: answers.append(permission.has_required(alice, requirement)))
    site = agent.Site(SITE)
    try:
        site.check(SITES)
        frappe.db.sql(
            "INSERT INTO `tabHas Role` (name, parent, parenttype, parentfield, role)"
            " VALUES ('test-role', %(parent)s, 'User', 'roles', %(role)s)",
            role,
        )
        frappe.db.commit()
        frappe.cache.hdel("roles", alice)
        site.check(SITES)
    finally:
        frappe.db.delete("Has Role", role)
        frappe.db.commit()
        frappe.clear_cache(user=alice)
    assert answers == [False, True]


def test_a_site_that_can_not_be_looked_at_keeps_no_other_waiting_and_is_logged_once(sweeps, monkeypatch):
    logged = []
    monkeypatch.setattr(frappe.logger("dartwing_core", allow_site=False), "exception", logged.append)
    sweep = agent.Site.sweep_if_leader
    broken = agent.Site(SITE)

    def fail(self):
        if self is broken:
            raise RuntimeError("no database")
        return sweep(self)

    monkeypatch.setattr(agent.Site, "sweep_if_leader", fail)
    for _number in range(2):
        broken.check(SITES)
        assert broken.next_look - time.monotonic() > 1
    assert len(logged) == 1
    other = agent.Site(SITE)
    other.check(SITES)
    assert len(sweeps) == 1
    monkeypatch.setattr(agent.Site, "sweep_if_leader", sweep)
    broken.check(SITES)
    assert broken.next_look - time.monotonic() <= 1, "all is well again"


def test_a_loop_that_dies_begins_anew(monkeypatch):
    # Seen failing: without the loop around the sweeps.
    monkeypatch.setattr(commands, "START_DELAY", 0)
    monkeypatch.setattr(commands, "RESTART_DELAY", 0)
    ended, deaths = threading.Event(), [RuntimeError("a bug"), SystemExit(1), ImportError("half an update")]

    def die(stop, *_sites):
        if deaths:
            raise deaths.pop()
        stop.set()
        ended.set()

    monkeypatch.setattr(agent, "run", die)
    commands.begin_sweeps()
    assert ended.wait(10)
    assert deaths == []
