"""Delays between attempts."""

from __future__ import annotations

import pytest

from dartwing_core.jobs import calculate_backoff
from dartwing_core.jobs.lib.config import RetryPolicy, parse_delays
from dartwing_core.jobs.run import outcome
from dartwing_core.jobs.run.outcome import next_delay


@pytest.mark.parametrize(("attempt", "middle"), [(1, 60), (2, 120), (3, 240), (4, 480), (5, 960)])
def test_backoff_doubles_with_a_fifth_of_jitter(attempt, middle):
    delays = {calculate_backoff(attempt) for _sample in range(300)}
    assert all(isinstance(delay, int) and middle * 0.8 <= delay <= middle * 1.2 for delay in delays)
    assert len(delays) > 5


@pytest.mark.parametrize("attempt", [-1, 0, 1, 7, 50, 10_000])
def test_backoff_stays_between_a_second_and_the_cap(attempt):
    assert 1 <= calculate_backoff(attempt, 60, 3600) <= 3600
    assert calculate_backoff(attempt, 0) == 1


@pytest.fixture
def no_jitter(monkeypatch) -> None:
    monkeypatch.setattr(outcome.random, "uniform", lambda lowest, highest: (lowest + highest) / 2)


def test_a_retry_before_the_first_is_the_first(no_jitter):
    assert [calculate_backoff(attempt) for attempt in (-1, 0, 1, 2)] == [60, 60, 60, 120]


def test_the_doubling_ends_before_numbers_grow_without_bound(no_jitter):
    assert calculate_backoff(31, 1, 10**12) == calculate_backoff(5_000, 1, 10**12) == 2**30


def test_an_hour_is_the_most_by_default():
    assert max(calculate_backoff(20) for _sample in range(100)) == 3_600


def test_a_type_may_ask_for_no_delay():
    assert next_delay(1, RetryPolicy((0,))) == 0


def test_own_delays_of_a_type_are_taken_and_the_last_repeats():
    assert [next_delay(number, RetryPolicy((1, 5))) for number in (1, 2, 3, 9)] == [1, 5, 5, 5]


def test_the_peer_may_ask_for_more_but_not_for_years():
    assert next_delay(1, RetryPolicy((1,)), 30) == 30
    assert next_delay(1, RetryPolicy((60,)), 30) == 60
    assert next_delay(1, RetryPolicy((1,)), 10**9) == 86_400


def test_delays_are_read_from_text():
    assert parse_delays("10, 60;600") == [10, 60, 600]
    assert parse_delays(None) == []
    for text in ("ten", "1 2", "-1"):
        with pytest.raises(ValueError):
            parse_delays(text)
