"""INSERT of rows of plain values. The driver writes the text, many times as fast as the query builder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import frappe

from . import sql

MANY = 50
"""Rows from which on a value that all of them share is sent only once. Half the values of new jobs are shared: 2,000
jobs take 1.4 s instead of 2.0."""
Row = Sequence[Any]


def insert_rows(doctype: str, columns: Sequence[str], rows: Sequence[Row], lock_wait: int | None = None) -> None:
    """Insert rows in one statement. `lock_wait`: as for `sql.run_update`."""
    if len(rows) >= MANY:
        statement, values = _with_shared(doctype, columns, rows)
    else:
        statement = f"{_head(doctype, columns)} VALUES {_parameters(len(columns), len(rows))}"
        values = [value for row in rows for value in row]
    frappe.db.sql(sql.as_of_now(lock_wait) + statement, values)


def _with_shared(doctype: str, columns: Sequence[str], rows: Sequence[Row]) -> tuple[str, list[Any]]:
    """The statement and its values: INSERT … WITH own AS (VALUES (…), (…)) SELECT the row's own and the shared ones."""
    by_column = list(enumerate(zip(*rows, strict=True)))
    shared = [number for number, values in by_column if values.count(values[0]) == len(values)]
    own = [number for number, _values in by_column if number not in shared]
    names = [f"c{number}" for number in own]
    statement = (
        f"{_head(doctype, [columns[number] for number in own + shared])}"
        f" WITH own ({','.join(names)}) AS (VALUES {_parameters(len(own), len(rows))})"
        f" SELECT {','.join(names + ['%s'] * len(shared))} FROM own"
    )
    return statement, [row[number] for row in rows for number in own] + [rows[0][number] for number in shared]


def _head(doctype: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO `tab{doctype}` ({','.join(f'`{column}`' for column in columns)})"


def _parameters(columns: int, rows: int) -> str:
    return ",".join([f"({','.join(['%s'] * columns)})"] * rows)
