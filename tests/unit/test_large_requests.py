"""A request with very many values is refused, or read, in a moment."""

from __future__ import annotations

import time

import frappe
import pytest

from dartwing_core.jobs.errors import InvalidJobError
from dartwing_core.jobs.operations import builders
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
