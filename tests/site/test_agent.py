"""The loop that looks at sites, in this process: what it costs, when it sweeps, whom it leaves alone.

Real processes of it are in tests/site/test_due_times.py.
"""

from __future__ import annotations

import os
import threading

import frappe
import pytest

from dartwing_core import commands
from dartwing_core.jobs.access import permission
from dartwing_core.jobs.lib import clock, config
from dartwing_core.jobs.sweep import agent, sweeper
from tests.support import factory
from tests.support.jobs import set_columns, submitted_with
from tests.support.schedules import every, made

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


def test_what_is_due_is_swept_and_what_is_due_soon_is_awaited(watch, sweeps, job_type):
    job = submitted_with(job_type, available_at=3_600)
    assert (watch.sweep_if_leader(), sweeps) == (agent.IDLE, [])
    set_columns(job, due_epoch=clock.now_epoch() + 0.7)
    assert 0 < watch.sweep_if_leader() < 0.75
    for status in ("Pending", "Failed", "Timed Out", "Queued", "Running"):
        set_columns(job, status=status, in_line=int(status == "Queued"), due_epoch=1)
        sweeps.clear()
        watch.sweep_if_leader()
        assert sweeps == [frappe.local.site], status
    factory.wipe()
    schedule = made(factory.job_type("plain"), **every(60))
    sweeps.clear()
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


def test_who_settles_sweeps_only_where_nobody_leads(watch, sweeps):
    watch.sweep_if_leader()
    sweeper.sweep_now_and_then()
    assert sweeps == []
    watch.resign()
    sweeper.sweep_now_and_then()
    sweeper.sweep_now_and_then()
    assert len(sweeps) == 1


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
