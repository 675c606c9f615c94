"""The state machine is data, and nothing but the diagram of docs/state_machine.md (seed review 2.1)."""

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
)


@pytest.mark.parametrize("status", JobStatus)
def test_every_status_reads_as_its_value(status):
    # MariaDB's driver and f-strings call str(); "JobStatus.QUEUED" must never reach a row or a message.
    assert str(status) == f"{status}" == status.value


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


def test_the_diagram_shows_the_same_moves():
    text = (Path(__file__).parents[2] / "docs" / "state_machine.md").read_text()
    names = {status.value.replace(" ", ""): status for status in JobStatus}
    drawn = {(names.get(a), names[b]) for a, b in re.findall(r"^    (\S+) --> ([A-Z]\w+)", text, re.MULTILINE)}
    assert drawn == {(source, target) for source, targets in TRANSITIONS.items() for target in targets}
