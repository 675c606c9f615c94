"""Whose turn it is (`fairness.Turns`)."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dartwing_core.jobs.fairness import Turns


def turns(scheduler: Turns, number: int, rank: dict[str, float]) -> list[str]:
    taken = []
    for _turn in range(number):
        taken.append(scheduler.next(rank, rank))
        scheduler.took(taken[-1])
    return taken


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 100), min_size=1, max_size=6))
def test_everybody_gets_the_share_of_their_weight(weights):
    total = sum(weights.values())
    taken = Counter(turns(Turns({}, weights), 3 * total, dict.fromkeys(weights, 0.0)))
    for name, weight in weights.items():
        assert abs(taken[name] - 3 * weight) <= 2, (taken, weights)


def test_equals_take_turns_and_who_waits_longest_begins():
    assert turns(Turns({}, {"a": 1, "b": 1}), 4, {"a": 2.0, "b": 1.0}) == ["b", "a", "b", "a"]


def test_who_comes_anew_or_comes_back_starts_level_with_the_others():
    scheduler = Turns({"a": 1000.0, "b": 1000.5}, {"a": 1, "b": 1, "new": 1})
    taken = turns(scheduler, 6, {"a": 0.0, "b": 0.0, "new": 9.0})
    assert Counter(taken) == {"a": 2, "b": 2, "new": 2}
