"""The state machine is data, and nothing but the table of the design (seed review 2.1)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dartwing_core.jobs.status import (
    ENDED_BADLY,
    FINISHED,
    LIVE,
    NOT_BEGUN,
    NOT_RUNNING,
    RETRYABLE,
    TRANSITIONS,
    WAITING,
    JobStatus,
    LinePlace,
    can_move,
)

TABLE = """
(new)       > Pending
Pending     > Queued, Canceled, Dead Letter
Queued      > Running, Canceled, Dead Letter, Pending
Running     > Completed, Failed, Timed Out, Dead Letter, Canceled, Pending
Failed      > Queued, Pending, Dead Letter, Canceled
Timed Out   > Queued, Pending, Dead Letter, Canceled
Dead Letter > Queued, Pending
Completed   >
Canceled    >
"""


def _designed() -> dict:
    moves = {}
    for line in TABLE.strip().splitlines():
        source, _arrow, targets = line.partition(">")
        key = None if source.strip() == "(new)" else JobStatus(source.strip())
        moves[key] = {JobStatus(target.strip()) for target in targets.split(",") if target.strip()}
    return moves


def test_transitions_are_those_of_the_design():
    assert {source: set(targets) for source, targets in TRANSITIONS.items()} == _designed()


@pytest.mark.parametrize("status", JobStatus)
def test_every_status_reads_as_its_value(status):
    # MariaDB's driver and f-strings call str(); "JobStatus.QUEUED" must never reach a row or a message.
    assert str(status) == f"{status}" == status.value


def test_nothing_follows_completed_or_canceled():
    assert not any(
        can_move(JobStatus.COMPLETED, target) or can_move(JobStatus.CANCELED, target) for target in JobStatus
    )


def test_live_and_finished_divide_all_states():
    assert set(JobStatus) == LIVE | FINISHED
    assert not LIVE & FINISHED


def test_the_groups_of_states_are_those_of_the_design():
    assert {status.value for status in FINISHED} == {"Completed", "Canceled", "Dead Letter"}
    assert {status.value for status in ENDED_BADLY} == {"Canceled", "Dead Letter"}
    assert {status.value for status in WAITING} == {"Pending", "Failed", "Timed Out"}
    assert {status.value for status in RETRYABLE} == {"Failed", "Timed Out", "Dead Letter"}
    assert [status.value for status in NOT_BEGUN] == ["Pending", "Queued"]
    assert [status.value for status in NOT_RUNNING] == ["Pending", "Queued", "Failed", "Timed Out"]


def test_places_in_line_are_those_that_rows_of_every_release_hold():
    assert {place.name: int(place) for place in LinePlace} == {"OUTSIDE": 0, "IN_LINE": 1, "HELD": 2}


@pytest.mark.parametrize("target", JobStatus)
def test_a_new_job_is_pending_and_nothing_else(target):
    assert can_move(None, target) == (target == JobStatus.PENDING)


def test_the_diagram_shows_the_same_moves():
    text = (Path(__file__).parents[2] / "docs" / "state_machine.md").read_text()
    names = {status.value.replace(" ", ""): status for status in JobStatus}
    drawn = {(names.get(a), names[b]) for a, b in re.findall(r"^    (\S+) --> ([A-Z]\w+)", text, re.MULTILINE)}
    assert drawn == {(source, target) for source, targets in TRANSITIONS.items() for target in targets}
