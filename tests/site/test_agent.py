"""Who looks at sites and when, in this process: what is due, whom a bell reaches, what a broken site costs others.

Real processes of it are in tests/site/test_due_times.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs.access import permission
from dartwing_core.jobs.lib import clock, config
from dartwing_core.jobs.rq import due_sites, redis_queue
from dartwing_core.jobs.rq.ticker import CHECK, Ticker
from dartwing_core.jobs.sweep import agent, sweeper
from tests.support import factory, processes
from tests.support.jobs import run, set_columns, submitted, submitted_with
from tests.support.queues import serve
from tests.support.schedules import every, made

SITES = os.environ.get("DW_SITES_PATH", "")
SITE = os.environ.get("DW_SITE", "")


@pytest.fixture
def sweeps(site, monkeypatch) -> list[str]:
    """Gains the site's name with each sweep, which is not made."""
    seen: list[str] = []
    monkeypatch.setattr(sweeper, "sweep", lambda: seen.append(frappe.local.site))
    return seen


@pytest.fixture
def due(site) -> due_sites.DueSites:
    """The sites of the bench, of which none is due."""
    found = due_sites.of_bench()
    found.add([])
    return found


@pytest.fixture
def sites(tmp_path: Path, monkeypatch) -> Iterator[processes.Sites]:
    """The current folder: the site under test alone."""
    found = processes.Sites(tmp_path / "bench")
    monkeypatch.chdir(found.path)
    return found


def seconds(due: due_sites.DueSites, site: str = SITE) -> float | None:
    """In how many seconds a site is due."""
    (now, part), score = due.client.time(), due.client.zscore(due.key, site)
    return None if score is None else score - now - part / 1e6


def is_due_in(due: due_sites.DueSites, expected: float) -> bool:
    found = seconds(due)
    return found is not None and expected - 1 < found < expected + 0.1


# When a site has work next -------------------------------------------------------------------------------------------


def test_whatever_makes_work_for_later_notes_its_time_with_the_commit(due, job_type):
    submitted_with(job_type, available_at=3_600)
    assert is_due_in(due, 3_600)
    submitted_with(job_type, parameters={"n": 1}, available_at=40)
    assert is_due_in(due, 40)
    schedule = made(job_type, **every(60))
    frappe.db.commit()
    assert is_due_in(due, 40), "an earlier note stays"
    due.drop(SITE)
    schedule.update({"every": 2}).save()
    frappe.db.rollback()
    assert seconds(due) is None, "what is undone makes no work"
    schedule.reload().update({"every": 2}).save()
    frappe.db.commit()
    assert is_due_in(due, clock.to_epoch(schedule.next_run) - clock.now_epoch())


def test_a_retry_and_a_bell_note_theirs(due, no_sweeps):
    job = submitted(factory.job_type("flaky", "raises", retry_delays="30", max_retries=1), what="connection")
    assert is_due_in(due, due_sites.AFTER_BELL), "its worker may be lost"
    due.drop(SITE)
    run(job)
    assert is_due_in(due, 30)


def test_work_that_comes_while_a_site_is_checked_is_not_forgotten(due, job_type):
    due.note(SITE, 0)
    taken = due.take()
    assert due.take() is None, "one check at a time"
    submitted_with(job_type, available_at=20)
    due.note(SITE, 50, taken.mark)
    assert is_due_in(due, 20), "also where that is after the end of the check's time"
    due.drop(SITE)
    due.note(SITE, 0)
    due.note(SITE, 50, due.take().mark)
    assert is_due_in(due, 50)


def test_a_check_whose_worker_was_killed_is_made_again(due, monkeypatch):
    # Seen failing in tests/crash/test_slices.py: for a minute nobody looked.
    assert due_sites.CHECK <= 10
    monkeypatch.setattr(due_sites, "CHECK", 0)
    due.note(SITE, 0)
    assert due.take().site == SITE
    due.client.set(due._listed, 1)
    assert due.lead("me")
    assert due.take().site == SITE


@pytest.mark.parametrize("status", ["Pending", "Failed", "Timed Out", "Queued", "Running"])
def test_what_is_due_is_swept(sweeps, job_type, status, monkeypatch):
    monkeypatch.setattr(due_sites, "seconds_anyway", lambda _site: due_sites.ANYWAY)
    job = submitted_with(job_type, available_at=3_600)
    assert agent.sweep_if_due() == due_sites.ANYWAY
    assert sweeps == []
    set_columns(job, status=status, in_line=int(status == "Queued"), due_epoch=1, started_epoch=1)
    assert agent.sweep_if_due() == (agent.UNTOLD if status == "Queued" else agent.INTERVAL)
    assert sweeps == [SITE]


def test_what_is_due_soon_is_awaited(sweeps, job_type, monkeypatch):
    monkeypatch.setattr(due_sites, "seconds_anyway", lambda _site: due_sites.ANYWAY)
    job = submitted_with(job_type, available_at=0.7)
    assert 0 < agent.sweep_if_due() < 0.75
    set_columns(job, status="Running", due_epoch=1, started_epoch=clock.now_epoch(), attempt=1)
    assert 18 < agent.sweep_if_due() <= 20.1, "the end of its lease"
    factory.wipe()
    made(factory.job_type("plain"), **every(60))
    frappe.db.set_value(config.SCHEDULE, {"enabled": 1}, "look_at_epoch", clock.now_epoch() + 3)
    assert 2 < agent.sweep_if_due() <= 3.1
    assert sweeps == []


def test_what_has_no_due_time_is_swept_every_five_seconds(sweeps, job_type):
    parent = submitted_with(job_type, available_at=3_600)
    submitted_with(job_type, parameters={"n": 1}, depends_on=parent.name)
    assert agent.sweep_if_due() == agent.UNTOLD
    assert len(sweeps) == 1


def test_who_settles_sweeps_only_where_nobody_else_has(due, sweeps):
    due.note(SITE, -1)
    agent.sweep_if_overdue()
    assert sweeps == [], "somebody is on the way"
    due.note(SITE, -due_sites.OVERDUE)
    submitted_with(factory.job_type("plain"), available_at=3_600)
    set_columns(submitted_with("echo_job", available_at=3_600), due_epoch=1)
    agent.sweep_if_overdue()
    agent.sweep_if_overdue()
    assert len(sweeps) == 1


# Who rings -----------------------------------------------------------------------------------------------------------


def entries(due: due_sites.DueSites) -> list[tuple[str, bytes]]:
    names = redis_queue.queue_names()
    return [(name, one) for name in names for one in due.client.lrange(redis_queue.list_key(name), 0, -1)]


def test_one_leads_and_another_follows_when_it_is_gone(due):
    due.note(SITE, 0)
    assert (due.lead("one"), due.lead("two"), due.lead("one")) == (True, False, True)
    due.client.delete(due._leader)
    assert due.lead("two")
    due.take()
    assert not due.lead("two"), "nothing is due"


def test_the_bell_goes_to_an_idle_worker_then_on_and_never_twice(due):
    serve("busy", "default", "short")
    serve("idle", "long")
    workers = {name: f"rq:worker:{name}" for name in ("busy", "idle")}
    for name, key in workers.items():
        due.client.hset(key, "state", name)
        due.client.sadd("rq:workers", key)
    ticker = Ticker(due)
    ticker.look()
    assert entries(due) == [], "nothing is due"
    due.note(SITE, 0)
    queues = []
    for _look in range(3):
        ticker.look()
        ((queue, entry),) = entries(due)
        queues.append(queue)
    assert queues == ["long", "default", "long"]
    due.client.lrem(redis_queue.list_key("long"), 1, entry)
    ticker.look()
    assert len(entries(due)) == 1, "a worker has taken it, and may be slow"


def test_a_bench_without_workers_gets_no_bell(due):
    due.note(SITE, 0)
    Ticker(due).look()
    assert entries(due) == []
    assert f"{agent.check_due_sites.__module__}.{agent.check_due_sites.__name__}" == CHECK


# The check of the sites ----------------------------------------------------------------------------------------------


def test_sites_come_and_go_beside_broken_and_foreign_ones(due, sites, sweeps):
    # Seen failing: without a context for each site; with `raise` in `check`.
    due.client.delete(due._listed)
    sites.add("a-broken.test", db_name="none", db_password="none", db_user="none")
    (sites.path / "b-invalid.test").mkdir()
    (sites.path / "b-invalid.test" / "site_config.json").write_text("{")
    due.client.zadd(due.key, {b"\xff": 0, "gone.test": 0, "../up": 0, "": 1})
    set_columns(submitted_with("echo_job", available_at=3_600), due_epoch=1)
    due.note(SITE, 0)
    agent.check_due_sites(due.bench)
    assert sweeps == [SITE]
    for name in ("a-broken.test", "b-invalid.test"):
        due.note(name, 0)
    agent.check_due_sites(due.bench)
    log = (sites.path.parent / "logs" / "dartwing_core.log").read_text()
    for name in ("a-broken.test", "b-invalid.test"):
        assert log.count(f"Could not check site {name}") == 1, log
    members = {one for one, _score in due.client.zscan_iter(due.key)}
    assert members == {SITE.encode(), b"a-broken.test", b"b-invalid.test"}
    assert frappe.local.site == SITE, "and this one's own context stays"


def test_sites_in_maintenance_and_without_the_app_are_left_alone(sweeps, monkeypatch):
    monkeypatch.setattr(frappe, "get_installed_apps", lambda: ["frappe"])
    assert agent.sweep_if_due() == agent.WITHOUT_APP
    monkeypatch.setattr(frappe, "get_installed_apps", lambda: ["frappe", agent.APP])
    monkeypatch.setitem(frappe.local.conf, "maintenance_mode", 1)
    assert agent.sweep_if_due() == agent.OFF
    assert sweeps == []


def test_two_hundred_sites_are_spread_over_the_minute_in_few_groups(monkeypatch):
    monkeypatch.setattr(due_sites.time, "time", lambda: 7.0)
    times = [due_sites.seconds_anyway(f"site{number}.test") for number in range(200)]
    assert set(times) == {3, 13, 23, 33, 43, 53}
    assert max(times.count(one) for one in set(times)) < 60


def test_each_check_sees_what_has_changed_since(alice, due, sweeps, sites, monkeypatch):
    # Seen failing: Frappe keeps permissions for the length of a request, and the agent had one for its whole life.
    role, requirement = {"parent": alice, "role": "Script Manager"}, "Server Script:read"
    answers: list[bool] = []
    monkeypatch.setattr(sweeper, "sweep", lambda: answers.append(permission.has_required(alice, requirement)))
    set_columns(submitted_with("echo_job", available_at=3_600), due_epoch=1)

    def check() -> None:
        due.note(SITE, 0)
        agent.check(due, due.take(SITE), str(sites.path))

    try:
        check()
        frappe.db.sql(
            "INSERT INTO `tabHas Role` (name, parent, parenttype, parentfield, role)"
            " VALUES ('test-role', %(parent)s, 'User', 'roles', %(role)s)",
            role,
        )
        frappe.db.commit()
        frappe.cache.hdel("roles", alice)
        check()
    finally:
        frappe.db.delete("Has Role", role)
        frappe.db.commit()
        frappe.clear_cache(user=alice)
    assert answers == [False, True]
