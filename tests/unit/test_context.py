"""What a handler can do with its context."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from dartwing_core.jobs import JobCanceledError, JobContext, TransientError
from dartwing_core.jobs.lib import clock


@pytest.fixture
def context(monkeypatch) -> JobContext:
    monkeypatch.setattr(clock, "iso_clock", lambda: lambda: "2026-11-28T12:00:00+00:00")
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
    [(50, 50), (-5, 0), (250, 100), ("42", 42), (Decimal("0.5"), 0.5), (float("nan"), 0), (float("inf"), 100)],
)
def test_progress_is_cut_to_a_percentage(context, given, stored):
    context.update_progress(given)
    assert context.progress.percent == stored


@pytest.mark.parametrize("given", ["abc", None, [1]])
def test_progress_that_is_no_number_is_refused(context, given):
    with pytest.raises(TypeError, match="update_progress: percent is a number from 0 to 100, not"):
        context.update_progress(given)


def test_a_next_step_needs_steps(context):
    with pytest.raises(ValueError, match="name the steps first, by set_steps"):
        context.next_step()


class Speechless:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("given", "stored"),
    [("x" * 10_000, "x" * 500), ("caf\udce9.csv", "caf?.csv"), (Speechless(), "Speechless")],
)
def test_any_message_name_of_a_step_and_line_of_the_log_is_made_storable(context, given, stored):
    # Regression 41: a long message killed the handler.
    context.update_progress(1, given)
    assert context.progress.message == stored
    context.set_steps([given, "two"])
    assert context.progress.steps[0]["name"][:500] == stored
    context.log(given)
    assert json.loads(context.lines.as_json())[0]["text"][:500] == stored


def test_a_message_stays_until_the_next(context):
    context.update_progress(1, "first")
    context.update_progress(2)
    assert context.progress.message == "first"


def test_progress_of_a_canceled_job_raises(context):
    context.cancel_requested.set()
    assert context.is_canceled()
    with pytest.raises(JobCanceledError):
        context.update_progress(1)


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


@pytest.mark.parametrize("seconds", [-1, float("nan"), "-5"])
def test_a_snooze_into_the_past_is_refused(context, seconds):
    # Seen failing: the job ran again at once, hundreds of times.
    with pytest.raises(ValueError, match="seconds must be 0 or more"):
        context.snooze(seconds)


def test_what_can_not_be_attached_is_named(context):
    # Seen failing: "'dict' object has no attribute 'seek'".
    with pytest.raises(TypeError, match="attach: content is text, bytes or an open file, not dict"):
        context.attach({"a": 1}, "a.json")
    # Seen failing: the content became the file's name.
    with pytest.raises(TypeError, match="attach: name is text, not bytes; the content comes first"):
        context.attach("a.txt", b"the content")


def test_a_retry_after_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="TransientError: retry_after is a number of seconds, not 'soon'"):
        TransientError("busy", retry_after="soon")
    for of_a_peer in ("120", "Wed, 21 Oct 2026 07:28:00 GMT", None, 5.5):
        assert TransientError("busy", retry_after=of_a_peer).retry_after == of_a_peer
