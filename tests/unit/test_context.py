"""What a handler can do with its context."""

from __future__ import annotations

import json

import pytest

from dartwing_core.jobs import JobCanceledError, JobContext
from dartwing_core.jobs.lib import clock


@pytest.fixture
def context() -> JobContext:
    return JobContext(
        job_id="JOB-1",
        job_type="t",
        organization="o",
        parameters={"a": 1},
        timeout_seconds=60,
        attempt=2,
        owner_user="user@example.com",
    )


@pytest.mark.parametrize(
    ("given", "stored"),
    [(50, 50), (-5, 0), (250, 100), ("42", 42), ("much", 0), (None, 0), (float("nan"), 0), (10**400, 0)],
)
def test_progress_is_cut_to_a_percentage_and_never_fails(context, given, stored):
    context.update_progress(given)
    assert context.progress.percent == stored


def test_a_long_message_is_cut(context):
    context.update_progress(1, "x" * 10_000)
    assert len(context.progress.message) == 500


def test_a_message_with_half_a_character_is_made_storable(context):
    context.update_progress(1, "caf\udce9.csv")
    assert context.progress.message == "caf?.csv"


class Speechless:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_what_has_no_text_is_told_by_its_kind(context):
    context.update_progress(1, Speechless())
    assert context.progress.message == "Speechless"
    context.set_steps([Speechless(), "two"])
    assert [step["name"] for step in context.progress.steps] == ["Speechless", "two"]


def test_steps_that_are_none_are_no_steps(context):
    context.set_steps(None)
    assert context.progress.steps == []


def test_a_message_stays_until_the_next(context):
    context.update_progress(1, "first")
    context.update_progress(2)
    assert context.progress.message == "first"


def test_progress_of_a_canceled_job_raises(context):
    context.cancel_requested.set()
    assert context.is_canceled()
    with pytest.raises(JobCanceledError):
        context.update_progress(1)


def test_any_text_can_be_logged(context, monkeypatch):
    monkeypatch.setattr(clock, "iso_clock", lambda: lambda: "2026-11-28T12:00:00+00:00")
    for text in ("\ud800", Speechless()):
        context.log(text)
    assert [line["text"] for line in json.loads(context.lines.as_json())] == ["?", "Speechless"]


def test_forced_progress_wakes_the_heartbeat(context):
    woken = []
    context.wake_heartbeat = lambda: woken.append(True)
    context.update_progress(1)
    assert not woken
    context.update_progress(2, force=True)
    assert woken


def test_remaining_time_ends_at_zero(context):
    assert 59 < context.remaining_seconds() <= 60
    context.deadline -= 100
    assert context.remaining_seconds() == 0


def test_the_handler_gets_a_copy_of_the_parameters(context):
    assert context.parameters == {"a": 1}


@pytest.mark.parametrize("seconds", [-1, float("nan"), "-5"])
def test_a_snooze_into_the_past_is_refused(context, seconds):
    # Seen failing: the job ran again at once, hundreds of times.
    with pytest.raises(ValueError, match="seconds must be 0 or more"):
        context.snooze(seconds)


def test_what_can_not_be_attached_is_named(context):
    # Seen failing: "'dict' object has no attribute 'seek'".
    with pytest.raises(TypeError, match="attach: content is text, bytes or an open file, not dict"):
        context.attach({"a": 1}, "a.json")
