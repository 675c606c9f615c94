"""Rows of plain values in one statement: many send what they share only once, and are stored as single ones are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import frappe
import pytest

from dartwing_core.jobs.lib import config, dml

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901)
COLUMNS = (
    *("name", "creation", "modified", "owner", "modified_by", "docstatus", "idx"),
    *("job_type", "priority", "progress", "due_epoch"),
    *("sealed_input_parameters", "progress_message", "attempt", "completed_at"),
)
"""Of Background Job: text, long text, numbers, a flag and moments."""


def row(number: int) -> dict[str, Any]:
    """A row whose values differ in type and length from those of its neighbors."""
    values = (
        *(f"insert-{number:04}", MOMENT, MOMENT + timedelta(seconds=number), "Administrator", "Administrator", 0, 0),
        *("shared", "High" if number % 2 else "Normal", number % 3 * 1.5, 1764400000.123456 + number),
        '{"text":"' + "é🙂\\'%s" * (number * 400 if number % 50 == 49 else number) + '"}',
        None if number % 4 else f"step {number}",
        number,
        None if number % 5 else MOMENT - timedelta(days=number, microseconds=678901),
    )
    return dict(zip(COLUMNS, values, strict=True))


def stored() -> dict[str, tuple]:
    columns = ", ".join(f"`{column}`" for column in COLUMNS)
    found = frappe.db.sql(f"SELECT {columns} FROM `tab{config.JOB}` WHERE name LIKE 'insert-%%'")
    frappe.db.rollback()
    return {values[0]: tuple(values) for values in found}


@pytest.mark.parametrize("number", [dml.MANY - 1, dml.MANY, 300])
def test_many_rows_are_stored_as_one_by_one(site, number: int):
    rows = [row(each) for each in range(number)]
    for each in rows:
        dml.insert_rows(config.JOB, [each])
    one_by_one = stored()

    dml.insert_rows(config.JOB, rows)

    assert stored() == one_by_one
    assert len(one_by_one) == number


def test_a_taken_name_among_many_inserts_none(site):
    rows = [row(each) for each in range(dml.MANY)] + [row(7)]

    with pytest.raises(Exception) as raised:
        dml.insert_rows(config.JOB, rows)

    assert frappe.db.is_duplicate_entry(raised.value)
    assert stored() == {}
