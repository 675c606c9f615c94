"""The state machine is data, and nothing but the table of the design (seed review 2.1)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dartwing_core.jobs.errors import InvalidTransitionError
from dartwing_core.jobs.job import record
from dartwing_core.jobs.status import TRANSITIONS, JobStatus, LinePlace


@pytest.mark.parametrize("status", JobStatus)
def test_every_status_reads_as_its_value(status):
    # MariaDB's driver and f-strings call str(); "JobStatus.QUEUED" must never reach a row or a message.
    assert str(status) == f"{status}" == status.value


def test_places_in_line_are_those_that_rows_of_every_release_hold():
    assert {place.name: int(place) for place in LinePlace} == {"OUTSIDE": 0, "IN_LINE": 1, "HELD": 2}


def test_the_diagram_shows_the_same_moves():
    text = (Path(__file__).parents[2] / "docs" / "state_machine.md").read_text()
    names = {status.value.replace(" ", ""): status for status in JobStatus}
    drawn = {(names.get(a), names[b]) for a, b in re.findall(r"^    (\S+) --> ([A-Z]\w+)", text, re.MULTILINE)}
    assert drawn == {(source, target) for source, targets in TRANSITIONS.items() for target in targets}


@pytest.mark.parametrize("source", JobStatus)
def test_no_job_makes_another_move(source):
    # Seen failing (an error of the database, which is asked then) without `can_move` in `record._change`.
    for target in set(JobStatus) - set(TRANSITIONS[source]):
        with pytest.raises(InvalidTransitionError, match=f"{source.value} to {target.value}"):
            record.Job({"status": source.value, "attempt": 1})._move(target, "why", {}, "me")
