"""Each due time makes one job, whoever sweeps and whatever breaks off, at little cost."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import frappe
import pytest

from dartwing_core.jobs import get_job_history, get_job_status, submit_job
from dartwing_core.jobs.job import record
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.schedules import schedule_runs, schedule_store
from dartwing_core.jobs.sweep import sweeper
from tests.support import database, factory
from tests.support.jobs import run
from tests.support.queues import listed
from tests.support.schedule_runs import HOUR, hours
from tests.support.schedules import due_times, every, made, state
from tests.support.sessions import in_parallel

pytestmark = pytest.mark.usefixtures("no_sweeps")


def test_a_due_time_makes_a_job_as_the_schedule_says(wall, job_type, alice):
    found = made(job_type, owner_user=alice, parameters='{"n": 1}', priority="High")
    assert sweeper.sweep().scheduled == 0
    wall.advance(HOUR)
    report = sweeper.sweep()
    now = state(found)
    assert (report.scheduled, listed("short")) == (1, [now.last_job]), "workers are told in the same sweep"
    told = get_job_status(now.last_job)
    assert (told["owner_user"], told["organization"], told["priority"]) == (alice, factory.ALPHA, "High")
    assert (told["schedule"], told["status"]) == (found.name, "Queued")
    assert clock.to_epoch(now.last_run) == hours(1)[0] == due_times(found)[0]
    assert now.next_run_epoch == hours(2)[0]
    assert get_job_history(now.last_job)["history"][0]["actor"] == alice
    assert run(frappe.get_doc("Background Job", now.last_job))["status"] == "Completed"
    assert sweeper.sweep().scheduled == 0


def test_equal_parameters_of_each_run_are_no_duplicates(wall):
    unique = factory.job_type("unique", deduplication_window=86_400)
    frappe.db.commit()
    found = made(unique)
    submit_job(unique, factory.ALPHA)
    frappe.db.commit()
    for _number in range(3):
        wall.advance(HOUR)
        sweeper.sweep()
    assert due_times(found) == hours(1, 2, 3)


def test_sweepers_at_once_make_one_job(wall, job_type):
    # Seen failing without the row lock: the unique key alone holds them up, or one of them deadlocks.
    schedules = [made(job_type) for _number in range(3)]
    for number in range(1, 6):
        wall.advance(HOUR)
        made_by = in_parallel([lambda: schedule_runs.sweep(50)] * 6)
        assert all(isinstance(count, int) for count in made_by), made_by
        schedule_runs.sweep(50)  # those that a slower one held for a moment
        for found in schedules:
            assert due_times(found) == hours(*range(1, number + 1))


def test_the_unique_key_stands_behind_the_lock(wall, job_type):
    # A schedule that was set back, by a restored backup or by hand. Seen failing (two jobs) without `unique`.
    found = made(job_type)
    wall.advance(HOUR)
    sweeper.sweep()
    before = state(found)
    schedule_store.update(found.name, schedule_store.next_columns(hours(1)[0]))
    frappe.db.commit()
    assert schedule_runs.sweep(50) == 0
    assert due_times(found) == hours(1)
    assert (state(found).next_run_epoch, state(found).last_job) == (before.next_run_epoch, before.last_job)


@pytest.mark.parametrize("breaks", ["insert", "update"])
def test_what_breaks_off_half_way_leaves_nothing_and_is_made_up_for(wall, job_type, monkeypatch, breaks):
    found = made(job_type)
    wall.advance(HOUR)
    module = record if breaks == "insert" else schedule_store
    good = getattr(module, breaks)

    def broken(*arguments):
        good(*arguments)
        raise RuntimeError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(module, breaks, broken)
        assert sweeper.sweep().scheduled == 0
    assert (due_times(found), state(found).next_run_epoch) == ([], hours(1)[0])
    wall.advance(schedule_runs.LOOK_AGAIN)
    assert sweeper.sweep().scheduled == 1
    assert due_times(found) == hours(1)


def test_a_schedule_that_somebody_is_saving_waits_for_the_next_sweep(wall, job_type):
    found, other = made(job_type), made(job_type)
    wall.advance(HOUR)
    with database.another_connection() as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT name FROM `tabJob Schedule` WHERE name = %s FOR UPDATE", (found.name,))
        assert sweeper.sweep().scheduled == 1
        assert (due_times(found), due_times(other)) == ([], hours(1))
        cursor.execute("ROLLBACK")
    assert sweeper.sweep().scheduled == 1


@pytest.mark.parametrize(
    ("zone", "cron", "start", "expected"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00+01:00", ["29 03:30 +0200", "30 02:30 +0200"]),
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00+02:00", ["25 02:30 +0200", "26 02:30 +0100"]),
        ("Australia/Lord_Howe", "10 2 * * *", "2026-10-03T12:00:00+10:30", ["04 02:40 +1100", "05 02:10 +1100"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00:00+11:00", ["05 01:45 +1100", "06 01:45 +1030"]),
    ],
)
def test_a_change_of_daylight_saving_time_loses_and_doubles_no_run(wall, job_type, zone, cron, start, expected):
    wall.epoch = datetime.fromisoformat(start).timestamp()
    found = made(job_type, cron=cron, time_zone=zone)
    for _number in range(4 * 48):  # two days
        wall.advance(900)
        schedule_runs.sweep(50)
    told = [f"{datetime.fromtimestamp(due, ZoneInfo(zone)):%d %H:%M %z}" for due in due_times(found)]
    assert told == expected


def test_a_sweep_with_nothing_due_asks_once(wall, job_type):
    for _number in range(3):
        made(job_type)
    with database.statements() as seen:
        sweeper.sweep()
    assert len([text for text in seen if "Job Schedule" in text]) == 1


@pytest.mark.parametrize("number", [2_000])
def test_what_is_due_is_found_on_an_index(wall, job_type, number):
    made(job_type, **every(1))
    frappe.db.sql(
        "INSERT INTO `tabJob Schedule` (name, organization, enabled, look_at_epoch)"
        " SELECT CONCAT('SCHEDULE-', seq), %s, seq %% 2, %s + seq * 60 FROM seq_1_to_2000",
        (factory.ALPHA, wall.epoch + 60),
    )
    frappe.db.commit()
    frappe.db.sql("ANALYZE TABLE `tabJob Schedule`")
    ((_query, plan),) = database.plans(lambda: schedule_store.due(wall.epoch + 60, 50), "Job Schedule")
    assert (plan["key"], "filesort" in (plan["Extra"] or "")) == ("enabled_look_at_epoch_index", False), plan
    assert database.rows_read_by(lambda: schedule_store.due(wall.epoch + 60, 50)) <= 5
