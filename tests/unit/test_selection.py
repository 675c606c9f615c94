"""Whose turn it is (`selection.Choice`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dartwing_core.jobs.lib.priorities import HEAD_START_TURNS
from dartwing_core.jobs.line.turns import Choice, Line


def line(organization: str, rank: float = 0.0, priority: str = "Normal", job_type: str = "type") -> Line:
    return Line("default", organization, job_type, priority, rank)


def turns(choice: Choice, number: int) -> list[str]:
    """The organizations whose turns come next, each of which has jobs without end."""
    taken = []
    for _turn in range(number):
        found = choice.next()
        taken.append(found.organization)
        choice.charge_turn(found)
    return taken


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 100), min_size=1, max_size=6))
def test_everybody_gets_the_share_of_their_weight(weights: Mapping[str, int]):
    total = sum(weights.values())
    taken = Counter(turns(Choice([line(name) for name in weights], {}, weights), 3 * total))
    for name, weight in weights.items():
        assert abs(taken[name] - 3 * weight) <= 2, (taken, weights)


def test_equals_take_turns_and_who_waits_longest_begins():
    assert turns(Choice([line("a", 2.0), line("b", 1.0)], {}, {}), 4) == ["b", "a", "b", "a"]


def test_who_has_no_more_has_no_more_turns():
    choice = Choice([line("a", 1.0), line("b", 2.0)], {}, {})
    choice.drop(choice.next())
    assert turns(choice, 3) == ["b", "b", "b"]
    choice.drop(choice.next())
    assert choice.next() is None


def test_who_comes_anew_starts_level_with_the_others():
    choice = Choice([line("a"), line("b"), line("new", 9.0)], {"a": 1000.0, "b": 1000.5}, {})
    assert choice.passes["new"] == 1000.0
    assert turns(choice, 4) == ["a", "new", "b", "a"]


def test_a_pass_of_somebody_who_is_not_there_counts_for_nobody():
    assert Choice([line("new")], {"gone": 3.0}, {}).passes == {"new": 0.0}


def test_an_urgent_job_goes_before_the_floods_of_others():
    lines = [line(name, float(place)) for place, name in enumerate("abcdefgh")]
    assert turns(Choice([*lines, line("late", 99.0, "Critical")], {}, {}), 1) == ["late"]


@given(st.sampled_from(["High", "Critical"]))
def test_a_flood_of_urgent_jobs_pays_for_its_head_start(priority: str):
    taken = turns(Choice([line("urgent", 0.0, priority), line("other", 1.0)], {}, {}), 40)
    ahead = int(HEAD_START_TURNS[priority])
    assert taken[:ahead] == ["urgent"] * ahead
    assert abs(taken.count("urgent") - taken.count("other") - ahead) <= 1


def test_low_jobs_of_one_wait_some_turns_of_another_and_no_longer():
    taken = turns(Choice([line("low", 0.0, "Low"), line("other", 1.0)], {}, {}), 20)
    assert taken[:2] == ["other", "other"]
    assert 8 <= taken.count("low") <= 10


def test_within_an_organization_the_lowest_rank_is_next_whatever_its_line():
    choice = Choice([line("a", 3.0, job_type="one"), line("a", 1.0, job_type="two")], {}, {})
    assert choice.next().job_type == "two"
    two = choice.next()
    assert not choice.is_next(two, 5.0)
    assert choice.next().job_type == "one"


def test_who_is_under_a_full_cap_is_left_out():
    lines = [line("a", job_type="one"), line("a", job_type="two"), line("b", job_type="one")]

    def left(key: tuple[str | None, str | None]) -> list[tuple[str, str]]:
        choice = Choice(lines, {}, {})
        choice.drop_capped(key)
        return [(found.organization, found.job_type) for found in choice.lines]

    assert left(("a", None)) == [("b", "one")]
    assert left((None, "one")) == [("a", "two")]
    assert left(("a", "one")) == [("a", "two"), ("b", "one")]


def test_a_line_whose_first_job_is_younger_than_thought_waits_for_another_organization():
    choice = Choice([line("a", 1.0), line("b", 2.0)], {}, {})
    first = choice.next()
    assert choice.is_next(first, 1.0) is True
    assert choice.is_next(first, 5.0) is True  # of its own organization
    assert choice.next().organization == "b"


def test_who_loses_the_first_line_goes_on_with_the_rank_of_the_next():
    urgent, later = line("a", 1.0, "High", "one"), line("a", 3.0, "Normal", "two")
    choice = Choice([urgent, later, line("b", 2.0)], {}, {})
    choice.drop(urgent)
    assert turns(choice, 2) == ["b", "a"]


def test_a_turn_costs_less_for_a_greater_weight_and_one_for_none():
    lines = {name: line(name) for name in ("unknown", "zero", "four")}
    choice = Choice(lines.values(), {}, {"zero": 0, "four": 4})
    assert {name: choice.charge_turn(given) for name, given in lines.items()} == {"unknown": 1, "zero": 1, "four": 0.25}


@pytest.mark.parametrize("rank", [1.0, 3.0])
def test_an_unknown_priority_has_no_head_start(rank: float):
    choice = Choice([line("odd", rank, "Odd"), line("normal", 2.0)], {}, {})
    expected = ["odd", "normal"] if rank < 2 else ["normal", "odd"]
    assert [found.organization for found in choice.in_order()] == expected
    assert turns(choice, 2) == expected


def test_passes_come_before_ranks_in_the_order_of_lines():
    choice = Choice(
        [line("late", 1.0), line("old", 5.0), line("older", 4.0)], {"late": 2.0, "old": 1.0, "older": 1.0}, {}
    )
    assert [found.organization for found in choice.in_order()] == ["older", "old", "late"]


def test_the_order_of_lines_is_that_of_their_turns():
    choice = Choice([line("a", 1.0), line("b", 2.0), line("b", 0.0, "High")], {"a": 1.0, "b": 1.5}, {})
    assert [(found.organization, found.priority) for found in choice.in_order()] == [
        ("b", "High"),
        ("a", "Normal"),
        ("b", "Normal"),
    ]
