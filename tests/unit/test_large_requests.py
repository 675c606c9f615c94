"""A request with very many values is refused, or read, in a moment."""

from __future__ import annotations

import inspect
import time

import frappe
import pytest

from dartwing_core.api import arguments, batches
from dartwing_core.jobs.base import due_times
from dartwing_core.jobs.errors import InvalidJobError
from dartwing_core.jobs.operations import builders
from dartwing_core.jobs.operations.builders import chain, group, job
from dartwing_core.wall import sent_names
from dartwing_core.wall.request_texts import texts


def seconds(work) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


@pytest.mark.parametrize("value", [1, "x", None, 1.5, True])
def test_plain_values_are_counted(value):
    # Seen failing: any number of them was walked through. A guest kept a process busy for 21 s.
    sent = sent_names.Sent()

    def add() -> None:
        with pytest.raises(frappe.ValidationError, match="too many values"):
            sent.add([value] * 3_000_000)

    assert seconds(add) < 1
    assert not sent


def test_plain_values_of_an_honest_request_are_read_at_once():
    sent = sent_names.Sent()
    rows = [{"a": number, "b": "text", "c": None} for number in range(50_000)]
    assert seconds(lambda: sent.add(rows)) < 2
    assert sent.has(rows[7])
    assert not sent.has({"a": 7, "b": "other", "c": None})


def test_texts_that_lie_deep_cost_no_more():
    # Seen failing: each text passed through all the lists around it, which took half a minute.
    value = ["a.b"] * 100_000
    for _level in range(600):
        value = [value]
    found = []
    assert seconds(lambda: found.extend(texts(value))) < 2
    assert len(found) == 100_000


def test_texts_are_keys_and_values_also_in_json():
    value = {"a": ["b", '{"c": ["d", 1]}'], "e": {"f": 2}}
    assert sorted(texts(value)) == sorted(["a", "b", '{"c": ["d", 1]}', "c", "d", "e", "f"])


@pytest.mark.parametrize("part", [{"group": []}, {"chain": []}, {"chain": [{"group": []}] * 3}])
def test_parts_without_jobs_are_counted(part):
    # Seen failing: a million of them were read twice, before the limit of requests was asked.
    with pytest.raises(InvalidJobError, match="At most"):
        builders.plan_of([part] * 1_000_000, "")


def nested_groups(parts: list, levels: int) -> dict:
    return group(*parts) if levels == 1 else group(nested_groups(parts, levels - 1))


@pytest.mark.parametrize("around", [0, 40])
def test_chains_of_empty_chains_do_not_multiply_the_jobs_before_them(around):
    # Seen failing: 7 KB stood for 50 * 20^3 positions, each level for twenty times more, until the memory was used up.
    jobs = group(*(job("test_step") for _number in range(50)))
    multiplied = group(*[chain(chain())] * 20)
    parts = [chain(jobs, *[multiplied] * 3, job("test_step"))]
    if around:
        parts = [nested_groups(parts, around)]
    plan = builders.plan_of(parts, "")
    assert [list(after) for after in plan.after] == [[]] * 50 + [list(range(50))]


@pytest.mark.parametrize(
    ("part", "after"),
    [
        (chain(job("a"), chain(), job("b")), [[], [0]]),
        (chain(job("a"), chain(chain()), job("b")), [[], [0]]),
        (chain(job("a"), group(), job("b")), [[], [0]]),
        (chain(job("a"), group(chain(group()), chain()), job("b")), [[], [0]]),
        (chain(job("a"), group(job("b"), chain(chain())), job("c")), [[], [0], [1]]),
        (chain(chain(), job("a"), chain(job("b"), chain()), job("c")), [[], [0], [1]]),
    ],
)
def test_parts_without_jobs_change_no_order(part, after):
    # Seen failing for the last but one: it named the job before the group once more.
    assert [list(positions) for positions in builders.plan_of([part], "").after] == after


def test_the_jobs_of_parts_are_counted_without_a_plan(monkeypatch):
    # Seen failing: to count them, the limit of requests let the plan be made, also for those that it refused.
    monkeypatch.delattr(builders, "plan_of")
    many = [group(*[chain(job("a"), job("b"))] * 150), job("c"), {"chain": "abc"}, None]
    assert batches.cost_of_batch(many) == 4
    assert batches.cost_of_batch([]) == batches.cost_of_batch("") == batches.cost_of_batch(1) == 1
    assert seconds(lambda: batches.cost_of_batch([{"group": []}] * 1_000_000)) < 1


@pytest.mark.parametrize("start", ["2026-11-28 ", "2026-11-28T", "1"])
@pytest.mark.parametrize("rest", ["1.", "9"])
def test_a_long_text_is_no_due_time(start, rest):
    # Seen failing: the parser of dates took 10 s for each million characters.
    text = start + rest * 500_000

    def read() -> None:
        with pytest.raises(InvalidJobError, match="is no time"):
            due_times.epoch_of(text)

    assert seconds(read) < 1


def test_of_many_unknown_arguments_the_first_are_described():
    # Seen failing: each was compared with all known names, 5 s for 55,000 of them, before any limit.
    parameters = inspect.signature(lambda job_type, organization, parameters: None).parameters
    sent = [f"organisation_{number:06}" for number in range(200_000)]

    def check() -> None:
        with pytest.raises(InvalidJobError, match=r"_000000 is unknown: did you mean organization") as caught:
            arguments.check_names(parameters, sent, {})
        assert str(caught.value).count("is unknown") == 20
        assert str(caught.value).endswith("; and 199980 more.")

    assert seconds(check) < 1
