"""Whose turn it is (`fairness.Turns`)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from dartwing_core.jobs.fairness import Turns

RANKS: dict[str, float] = defaultdict(float)


def turns(scheduler: Turns, number: int, ranks: Mapping[str, float] = RANKS) -> list[str]:
    taken = []
    for _turn in range(number):
        taken.append(scheduler.next())
        scheduler.took(taken[-1], ranks[taken[-1]])
    return taken


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 100), min_size=1, max_size=6))
def test_everybody_gets_the_share_of_their_weight(weights):
    total = sum(weights.values())
    taken = Counter(turns(Turns({}, weights, RANKS), 3 * total))
    for name, weight in weights.items():
        assert abs(taken[name] - 3 * weight) <= 2, (taken, weights)


def test_who_waits_for_a_slot_of_others_stays_before_them_by_one_turn():
    scheduler = Turns({"a": 50.0, "b": 3.0, "c": 49.5}, {"a": 1, "b": 1, "c": 1}, RANKS)
    scheduler.took("a", 0.0)
    scheduler.keep_close(["b", "c"])
    assert scheduler.passes == {"a": 51.0, "b": 50.0, "c": 50.0}


def test_equals_take_turns_and_who_waits_longest_begins():
    ranks = {"a": 2.0, "b": 1.0}
    assert turns(Turns({}, {"a": 1, "b": 1}, ranks), 4, ranks) == ["b", "a", "b", "a"]


def test_who_has_no_more_has_no_more_turns():
    scheduler = Turns({}, {"a": 1, "b": 1}, RANKS)
    assert scheduler.next() == "a"
    scheduler.took("a", None)
    assert turns(scheduler, 3) == ["b", "b", "b"]


@given(st.integers(1, 8))
def test_who_is_told_to_come_first_does(number):
    weights = dict.fromkeys("abcdefgh", 1)
    scheduler = Turns({"a": 2.0, "b": 1.0}, weights, RANKS)
    assert scheduler.first(number) == turns(scheduler, number)


def test_who_comes_anew_or_comes_back_starts_level_with_the_others():
    ranks = {"a": 0.0, "b": 0.0, "new": 9.0}
    scheduler = Turns({"a": 1000.0, "b": 1000.5}, {"a": 1, "b": 1, "new": 1}, ranks)
    assert Counter(turns(scheduler, 6, ranks)) == {"a": 2, "b": 2, "new": 2}


def test_who_could_not_take_its_turns_has_saved_none_up():
    # Broken by keeping the pass of one that a limit stops: it stays where it is while the others go on.
    weights, ranks = {"a": 1, "b": 1}, {"a": 0.0, "b": 1.0}
    passes: dict[str, float] = {}
    for _pass in range(50):
        scheduler = Turns(passes, weights, ranks)
        assert scheduler.next() == "a", "the one that is stopped has waited longest"
        scheduler.missed("a")
        assert turns(scheduler, 1) == ["b"]
        passes = scheduler.passes
    assert Counter(turns(Turns(passes, weights, ranks), 10)) == {"a": 5, "b": 5}


def test_who_is_stopped_and_comes_back_gains_nothing_by_it():
    # It is its turn only when nobody's pass is lower.
    scheduler = Turns({"a": 7.0, "b": 7.5}, {"a": 1, "b": 1}, RANKS)
    assert scheduler.next() == "a"
    scheduler.missed("a")
    assert Turns(scheduler.passes, {"a": 1, "b": 1}, RANKS).passes == {"a": 7.5, "b": 7.5}
