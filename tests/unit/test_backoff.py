"""Delays between attempts."""

from __future__ import annotations

import pytest

from dartwing_core.jobs import calculate_backoff
from dartwing_core.jobs.lib.config import parse_delays
from dartwing_core.jobs.run import outcome
from dartwing_core.jobs.run.outcome import next_delay


@pytest.mark.parametrize(("attempt", "middle"), [(1, 60), (2, 120), (3, 240), (4, 480), (5, 960)])
def test_backoff_doubles_with_a_fifth_of_jitter(attempt, middle):
    delays = {calculate_backoff(attempt) for _sample in range(300)}
    assert all(isinstance(delay, int) and middle * 0.8 <= delay <= middle * 1.2 for delay in delays)
    assert len(delays) > 5


@pytest.mark.parametrize("attempt", [-1, 0, 1, 7, 50, 10_000])
def test_backoff_stays_between_a_second_and_the_cap_of_an_hour(attempt):
    assert 1 <= calculate_backoff(attempt) <= 3600
    assert calculate_backoff(attempt, 0) == 1


def test_the_doubling_is_exact_without_jitter_and_ends(monkeypatch):
    monkeypatch.setattr(outcome.random, "uniform", lambda lowest, highest: (lowest + highest) / 2)
    assert [calculate_backoff(attempt) for attempt in (-1, 0, 1, 2)] == [60, 60, 60, 120]
    assert calculate_backoff(31, 1, 10**12) == calculate_backoff(5_000, 1, 10**12) == 2**30


def test_own_delays_of_a_type_are_taken_and_the_last_repeats():
    delays = [next_delay(number, delays=[1, 5], base_delay=60, cap=3600) for number in (1, 2, 3, 9)]
    assert delays == [1, 5, 5, 5]
    assert next_delay(1, delays=[0], base_delay=60, cap=3600) == 0


def test_the_peer_may_ask_for_more_but_not_for_years():
    assert next_delay(1, delays=[1], base_delay=60, cap=3600, at_least=30) == 30
    assert next_delay(1, delays=[60], base_delay=60, cap=3600, at_least=30) == 60
    assert next_delay(1, delays=[1], base_delay=60, cap=3600, at_least=10**9) == 86_400


def test_delays_are_read_from_text():
    assert parse_delays("10, 60;600") == [10, 60, 600]
    assert parse_delays(None) == []
    for text in ("ten", "1 2", "-1"):
        with pytest.raises(ValueError):
            parse_delays(text)
