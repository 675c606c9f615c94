"""Filters, order and limit of an export, and parameters that are refused."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.handlers import export_records as handler
from dartwing_core.jobs import PermanentError, get_error_type
from tests.support import records
from tests.support.exports import Context, export, exported, names
from tests.support.records import RECORD

pytestmark = pytest.mark.usefixtures("record_doctypes")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (None, ["A", "B", "C"]),
        ({"quantity": 2}, ["B"]),
        ({"quantity": [">=", 2], "title": ["like", "t%"]}, ["B", "C"]),
        ([["quantity", "in", [1, 3]]], ["A", "C"]),
        ([[RECORD, "quantity", "between", [1, 2], False]], ["A", "B"]),
        ({"due": ["between", ["2026-01-02", "2026-01-03"]]}, ["B"]),
        ({"due": ["timespan", "last year"]}, []),
        ({"creation": ["<", "2026-01-02"]}, []),
        ({"starts": [">=", "09:00"]}, ["C"]),
        ({"due": None}, ["A", "C"]),
        ({"body": None}, ["A", "C"]),
        ({"body": ["!=", None]}, ["B"]),
        ({"body": ["is", "set"]}, ["B"]),
        ({"name": ["!=", "A"]}, ["B", "C"]),
    ],
)
def test_filters_select_the_rows(filters, expected):
    records.add(
        RECORD,
        {"name": "A", "title": "ta", "quantity": 1},
        {"name": "B", "title": "tb", "quantity": 2, "body": "x", "due": "2026-01-02"},
        {"name": "C", "title": "tc", "quantity": 3, "starts": "09:30:00"},
    )
    assert names(export(filters=filters)) == expected


def test_rows_come_by_name_or_in_the_order_asked_for_up_to_the_limit(monkeypatch):
    monkeypatch.setattr(handler, "BATCH", 2)
    records.add(RECORD, *({"name": name, "quantity": n} for name, n in zip("cabed", (1, 2, 1, 1, 0), strict=True)))
    assert names(export()) == list("abcde")
    assert names(export(limit=3)) == list("abc")
    assert names(export(order_by="quantity desc")) == list("abced")
    assert names(export(order_by="quantity", limit=4)) == list("dbce")


def test_rows_that_are_equal_in_the_order_asked_for_come_by_name():
    records.add(RECORD, *({"name": f"R{n:03}"} for n in range(300)))
    assert names(export(order_by="modified desc", limit=3)) == ["R000", "R001", "R002"]


def test_more_names_than_can_be_sorted_are_refused(monkeypatch):
    monkeypatch.setattr(handler, "MAX_SORTED_ROWS", 2)
    records.add(RECORD, {"name": "A"}, {"name": "B"}, {"name": "C"})
    with pytest.raises(PermanentError, match="At most 2 records"):
        export(order_by="title asc")
    assert len(export(order_by="title asc", limit=2)) == 3


def test_each_row_comes_once_whatever_its_name(monkeypatch):
    monkeypatch.setattr(handler, "BATCH", 1)
    given = ["a", "B", "Zürich", "ß", "it's", '"q"', "100%", "%s", "back\\slash", "日本", "a b", "0", "`tick`"]
    records.add(RECORD, *({"name": name} for name in given))
    assert sorted(names(export())) == sorted(given)
    assert sorted(names(export(order_by="title desc"))) == sorted(given)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"doctype": "Nothing"}, "DocType Nothing not found"),
        ({"doctype": "Has Role"}, "child table"),
        ({"doctype": "System Settings"}, "child table"),
        ({"doctype": "Background Job"}, "not allowed to export"),
        ({"doctype": "Error Log"}, "not allowed to export"),
        ({"doctype": RECORD, "fields": ["nothing"]}, "nothing is no field"),
        ({"doctype": RECORD, "fields": ["title, pin"]}, "no field"),
        ({"doctype": RECORD, "fields": ["count(name)"]}, "no field"),
        ({"doctype": RECORD, "fields": ["organization.name"]}, "no field"),
        ({"doctype": RECORD, "fields": ["section"]}, "section is no field"),
        ({"doctype": RECORD, "fields": ["salary"]}, "salary is no field"),
        ({"doctype": RECORD, "fields": ["pin"]}, "pin is no field"),
        ({"doctype": RECORD, "filters": {"salary": [">", 1]}}, "salary is no field"),
        ({"doctype": RECORD, "filters": [["pin", "is", "set"]]}, "pin is no field"),
        ({"doctype": RECORD, "filters": [["User", "email", "=", "x"]]}, "Each filter"),
        ({"doctype": RECORD, "filters": ["title", "=", "x"]}, "Each filter"),
        ({"doctype": RECORD, "order_by": "salary desc"}, "salary is no field"),
        ({"doctype": RECORD, "order_by": "title desc, sleep(1)"}, "order_by must be"),
        ({"doctype": RECORD, "order_by": "sleep(1)"}, "no field"),
    ],
)
def test_wrong_parameters_fail_for_good_and_say_why(alice, parameters, message):
    frappe.set_user(alice)
    with pytest.raises(Exception, match=message) as refused:
        exported(Context(parameters))
    assert get_error_type(refused.value) == "Permanent"
