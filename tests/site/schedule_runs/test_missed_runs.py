"""Runs that were missed, or held with their organization, follow the policy of the schedule."""

from __future__ import annotations

import pytest

from dartwing_core.jobs.schedules import recurrence, schedule_runs
from dartwing_core.jobs.sweep import sweeper
from tests.support import factory
from tests.support.schedule_runs import HOUR, hours
from tests.support.schedules import due_times, every, made, state

pytestmark = pytest.mark.usefixtures("no_sweeps")


@pytest.mark.parametrize(
    ("policy", "late", "expected"),
    [
        ("Skip", 200, (1,)),
        ("Skip", 400, ()),
        ("Skip", 4 * HOUR + 400, ()),
        ("Skip", 4 * HOUR + 100, (5,)),
        ("Run Once", 400, (1,)),
        ("Run Once", 4 * HOUR + 400, (5,)),
        ("Catch Up", 4 * HOUR + 400, (3, 4, 5)),
        ("Catch Up", 1 * HOUR, (1, 2)),
    ],
)
def test_missed_runs_follow_the_policy(wall, job_type, policy, late, expected):
    found = made(job_type, missed_runs=policy, catch_up_limit=3)
    wall.advance(HOUR + late)
    assert sweeper.sweep().scheduled == len(expected)
    assert due_times(found) == hours(*expected)
    assert state(found).next_run_epoch > wall.epoch
    assert sweeper.sweep().scheduled == 0


def test_a_year_of_minutes_that_were_missed_takes_no_longer_than_one(wall, job_type, monkeypatch):
    found = made(job_type, cron="* * * * *", missed_runs="Catch Up", catch_up_limit=2)
    wall.advance(365 * 86_400)
    asked, after = [], recurrence.Recurrence.next_after
    monkeypatch.setattr(
        recurrence.Recurrence, "next_after", lambda self, epoch: asked.append(epoch) or after(self, epoch)
    )
    sweeper.sweep()
    assert due_times(found)[-1] == wall.epoch - wall.epoch % 60
    assert len(due_times(found)) == 2
    assert len(asked) < 50


def test_times_that_passed_while_the_organization_was_suspended_follow_the_policy_when_it_is_active_again(
    wall, job_type, organization
):
    skips, once, catches = (
        made(job_type, missed_runs=policy, catch_up_limit=3) for policy in ("Skip", "Run Once", "Catch Up")
    )
    organization(status="Suspended")
    for _number in range(3):
        wall.advance(HOUR)
        assert sweeper.sweep().scheduled == 0
    assert state(once).last_error is None, "it is held, not refused"
    organization(status="Active")
    wall.advance(schedule_runs.LOOK_AGAIN + 600)
    sweeper.sweep()
    assert (due_times(skips), due_times(once), due_times(catches)) == ([], hours(3), hours(1, 2, 3))


def test_held_schedules_of_one_organization_do_not_delay_others(wall, job_type, organization):
    # Seen failing (one more sweep for each fifty): on an idle site that is a minute.
    for number in range(60):
        made(job_type, title=f"Held {number}", **every(30))
    found = made(job_type, organization=factory.BETA)
    organization(status="Suspended")
    wall.advance(HOUR)
    sweeper.sweep()
    assert due_times(found) == hours(1)
