"""Whose turn it is (`turns.Order`)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from dartwing_core.jobs.lib.rows import HEAD_START_TURNS
from dartwing_core.jobs.line.turns import Line, Order, Place


def line(organization: str, rank: float = 0.0, priority: str = "Normal", job_type: str = "type") -> Line:
    return Line("default", organization, job_type, priority, rank)


def order_of(lines: Iterable[Line], passes: Mapping[str, float], weights: Mapping[str, int], workers: int = 1) -> Order:
    """The order of lines that have jobs without end, all of the rank of the first."""
    numbers = itertools.count()

    def read_ahead(line: Line, number: int) -> list[Place]:
        return [Place(f"{line.organization} {next(numbers)}", line.rank) for _place in range(number)]

    return Order(lines, passes, weights, read_ahead, workers)


def turns(order: Order, number: int) -> list[str]:
    """The organizations whose turns come next."""
    taken = []
    for _turn in range(number):
        found = order.next()
        assert order.first_job(found)
        taken.append(found.organization)
        order.take(found)
    return taken


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 100), min_size=1, max_size=6))
def test_everybody_gets_the_share_of_their_weight(weights: Mapping[str, int]):
    total = sum(weights.values())
    taken = Counter(turns(order_of([line(name) for name in weights], {}, weights), 3 * total))
    for name, weight in weights.items():
        assert abs(taken[name] - 3 * weight) <= 2, (taken, weights)


def test_equals_take_turns_and_who_waits_longest_begins():
    assert turns(order_of([line("a", 2.0), line("b", 1.0)], {}, {}), 4) == ["b", "a", "b", "a"]


def test_an_urgent_job_goes_before_the_floods_of_others():
    lines = [line(name, float(place)) for place, name in enumerate("abcdefgh")]
    assert turns(order_of([*lines, line("late", 99.0, "Critical")], {}, {}), 1) == ["late"]


@given(st.sampled_from(["High", "Critical"]))
def test_a_flood_of_urgent_jobs_pays_for_its_head_start(priority: str):
    taken = turns(order_of([line("urgent", 0.0, priority), line("other", 1.0)], {}, {}), 40)
    ahead = int(HEAD_START_TURNS[priority])
    assert taken[:ahead] == ["urgent"] * ahead
    assert abs(taken.count("urgent") - taken.count("other") - ahead) <= 1


def test_low_jobs_of_one_wait_some_turns_of_another_and_no_longer():
    taken = turns(order_of([line("low", 0.0, "Low"), line("other", 1.0)], {}, {}), 20)
    assert taken[:2] == ["other", "other"]
    assert 8 <= taken.count("low") <= 10


def places(*ranks: float) -> Callable[[Line, int], list[Place]]:
    """Reads jobs of these ranks, whatever line is asked for."""
    return lambda line, number: [Place(f"{line.job_type} {rank}", rank) for rank in ranks][:number]


def test_within_an_organization_the_lowest_rank_is_next_whatever_its_line():
    order = Order([line("a", 3.0, job_type="one"), line("a", 1.0, job_type="two")], {}, {}, places(5.0))
    two = order.next()
    assert two.job_type == "two"
    assert order.first_job(two) is None, "the first of them was claimed by another worker"
    assert order.next().job_type == "one"


def test_an_organization_keeps_its_turn_if_others_have_claimed_its_first_job():
    # Seen failing: eight workers, which all went on to the next organization, tried to lock each job nearly thrice.
    order = Order([line("a", 1.0), line("b", 2.0)], {}, {}, places(5.0))
    found = order.next()
    assert (found.organization, order.first_job(found)) == ("a", "type 5.0")


def test_a_line_without_a_job_is_dropped():
    order = Order([line("a", 1.0), line("b", 2.0)], {}, {}, places())
    assert order.first_job(order.next()) is None
    assert [found.organization for found in order.lines] == ["b"]


def test_a_worker_leaves_as_many_jobs_to_each_other_one_and_reads_them_again_in_the_end():
    known = [Place(str(number), float(number)) for number in range(5)]
    order = Order([line("a")], {}, {}, lambda _line, number: known[:number], workers=2)
    taken = []
    while (found := order.next()) and (name := order.first_job(found)):
        taken.append(name)
        order.take(found)
    assert taken == ["0", "2", "4", "1", "3"]


def test_a_turn_costs_less_for_a_greater_weight_and_one_for_none():
    lines = [line(name) for name in ("unknown", "zero", "four")]
    order = order_of(lines, {}, {"zero": 0, "four": 4})
    prices = {}
    for _turn in lines:
        found = order.next()
        assert order.first_job(found)
        prices[found.organization] = order.take(found)
    assert prices == {"unknown": 1, "zero": 1, "four": 0.25}
