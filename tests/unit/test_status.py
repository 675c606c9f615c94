"""The state machine is data, and nothing but the diagram of the documents (seed review 2.1)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dartwing_core.jobs.status import TRANSITIONS, JobStatus, LinePlace, can_move

MOVES = {
    (JobStatus(source) if source else None, target)
    for source, targets in (
        ("", "Pending"),
        ("Pending", "Queued, Canceled, Dead Letter"),
        ("Queued", "Running, Canceled, Dead Letter, Pending"),
        ("Running", "Completed, Failed, Timed Out, Dead Letter, Canceled, Pending"),
        ("Failed", "Queued, Pending, Dead Letter, Canceled"),
        ("Timed Out", "Queued, Pending, Dead Letter, Canceled"),
        ("Dead Letter", "Queued, Pending"),
    )
    for target in map(JobStatus, targets.split(", "))
}


def test_a_job_may_move_as_the_design_says_and_not_otherwise():
    assert {(source, target) for source, targets in TRANSITIONS.items() for target in targets} == MOVES
    for source in (None, *JobStatus):
        assert {target for target in JobStatus if can_move(source, target)} == {b for a, b in MOVES if a == source}


def test_the_diagram_shows_the_same_moves():
    text = (Path(__file__).parents[2] / "docs" / "state_machine.md").read_text()
    names = {status.value.replace(" ", ""): status for status in JobStatus}
    drawn = {(names.get(a), names[b]) for a, b in re.findall(r"^    (\S+) --> ([A-Z]\w+)", text, re.MULTILINE)}
    assert drawn == MOVES


@pytest.mark.parametrize("status", JobStatus)
def test_every_status_reads_as_its_value(status):
    # MariaDB's driver and f-strings call str(); "JobStatus.QUEUED" must never reach a row or a message.
    assert str(status) == f"{status}" == status.value


def test_places_in_line_are_those_that_rows_of_every_release_hold():
    assert {place.name: int(place) for place in LinePlace} == {"OUTSIDE": 0, "IN_LINE": 1, "HELD": 2}
