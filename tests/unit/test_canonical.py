"""Hash and stored parameters are the same text, each time (seed review 1.4, regressions 40, show-stopper 1)."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

import frappe
import pytest
from frappe.model.document import Document
from hypothesis import given
from hypothesis import strategies as st

from dartwing_core.jobs import InvalidJobError, generate_job_hash
from dartwing_core.jobs.lib.canonical import canonical_json

plain_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_hash_ignores_key_order_also_in_nested_objects():
    first = generate_job_hash("t", "o", {"a": {"x": 1, "y": [1, {"p": 1, "q": 2}]}, "b": 2})
    second = generate_job_hash("t", "o", {"b": 2, "a": {"y": [1, {"q": 2, "p": 1}], "x": 1}})
    assert first == second
    assert len(first) == 64


def test_hash_differs_by_type_organization_and_parameters():
    hashes = {
        generate_job_hash("t", "o", {"a": 1}),
        generate_job_hash("u", "o", {"a": 1}),
        generate_job_hash("t", "p", {"a": 1}),
        generate_job_hash("t", "o", {"a": 2}),
        generate_job_hash("to", "", {"a": 1}),
    }
    assert len(hashes) == 5


def test_rendering_is_frappes_as_json():
    parameters = {"b": datetime(2026, 1, 2, 3, 4, 5), "a": "ü"}
    assert canonical_json(parameters) == frappe.as_json(parameters, indent=None, separators=(",", ":"))


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        *(Decimal("0.1234567890123456789012345"), Decimal("0.1000000000000000000000001")),
        b"bytes",
        {1, 2},
        object(),
        print,
        ValueError("x"),
        {1: "a"},
        {None: "a"},
        10**30,
        "\ud800",
        (item for item in "ab"),
        range(3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_faithful_form_is_refused_and_named(value):
    with pytest.raises(InvalidJobError, match=r"parameters\.deep\[0\]"):
        canonical_json({"deep": [value]})


class Invoice(Document):
    """A document that was not loaded from a database."""

    def __init__(self, **values):
        self.values = values

    def as_dict(self, **options):
        assert options == {"no_nulls": True, "convert_dates_to_str": True}
        return self.values


def test_a_document_is_stored_without_what_changes_each_time_it_is_saved():
    noise = "modified modified_by creation owner idx docstatus parent parentfield parenttype __islocal"
    row = {"item": "A", **dict.fromkeys(noise.split(), 1)}
    invoice = Invoice(name="INV-1", items=[row], pair=(row, 2), told={"by": "Ann"}, **dict.fromkeys(noise.split(), 1))
    stored = {"items": [{"item": "A"}], "name": "INV-1", "pair": [{"item": "A"}, 2], "told": {"by": "Ann"}}
    assert json.loads(canonical_json({"invoice": invoice})) == {"invoice": stored}


def test_cycles_are_refused():
    cycle: dict = {}
    cycle["self"] = cycle
    with pytest.raises(InvalidJobError, match="contains itself"):
        canonical_json(cycle)


@pytest.mark.parametrize("around", [lambda inner: {"d": inner}, lambda inner: [inner]], ids=["objects", "lists"])
def test_thirty_levels_are_stored_and_one_more_is_refused(around):
    value: object = 1
    for _level in range(29):
        value = around(value)
    assert json.loads(canonical_json({"d": value})) == {"d": value}
    with pytest.raises(InvalidJobError, match="nested too deeply"):
        canonical_json({"d": around(value)})


def test_integers_of_64_bits_are_stored_and_larger_ones_refused():
    assert json.loads(canonical_json({"n": [-(2**63), 2**63 - 1]})) == {"n": [-(2**63), 2**63 - 1]}
    for number in (-(2**63) - 1, 2**63):
        with pytest.raises(InvalidJobError, match="Pass it as text"):
            canonical_json({"n": number})


def test_the_same_object_twice_is_no_cycle():
    shared = {"x": 1}
    assert json.loads(canonical_json({"a": shared, "b": shared})) == {"a": {"x": 1}, "b": {"x": 1}}


@given(st.dictionaries(st.text(), plain_json, max_size=5))
def test_plain_parameters_come_back_equal(parameters):
    assert json.loads(canonical_json(parameters)) == parameters
