"""INSERT of rows of plain values. The driver writes the text, many times as fast as the query builder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import frappe
from pypika.terms import Parameter

from . import sql

MANY = 50
"""Rows from which on a value that all of them share is sent only once. Half the values of new jobs are shared, and
server and driver take longer over each value than over all else."""
Row = Sequence[Any]


def insert_rows(doctype: str, columns: Sequence[str], rows: Sequence[Row], lock_wait: int | None = None) -> None:
    """Insert rows in one statement. `lock_wait`: as for `sql.run_update`."""
    is_split = len(rows) >= MANY and frappe.db.db_type == "mariadb"
    statement, values = _with_shared(doctype, columns, rows) if is_split else _plain(doctype, columns, rows)
    texts = [_text_of(value) if type(value) is datetime else value for value in values]
    frappe.db.sql(sql.as_of_now(lock_wait) + statement, texts)


def _plain(doctype: str, columns: Sequence[str], rows: Sequence[Row]) -> tuple[str, list[Any]]:
    """The statement and its values: INSERT … VALUES (…), (…)."""
    head, parameters = _insert_text(frappe.db.db_type, doctype, tuple(columns))
    return f"{head} VALUES " + ",".join([parameters] * len(rows)), [value for row in rows for value in row]


def _with_shared(doctype: str, columns: Sequence[str], rows: Sequence[Row]) -> tuple[str, list[Any]]:
    """The statement and its values: INSERT … WITH own AS (VALUES (…), (…)) SELECT the row's own and the shared ones."""
    by_column = list(enumerate(zip(*rows, strict=True)))
    shared = [number for number, values in by_column if values.count(values[0]) == len(values)]
    own = [number for number, _values in by_column if number not in shared]
    head, _parameters = _insert_text(frappe.db.db_type, doctype, tuple(columns[number] for number in own + shared))
    names = [f"c{number}" for number in own]
    row_text = f"({','.join(['%s'] * len(own))})"
    statement = (
        f"{head} WITH own ({','.join(names)}) AS (VALUES {','.join([row_text] * len(rows))})"
        f" SELECT {','.join(names + ['%s'] * len(shared))} FROM own"
    )
    return statement, [row[number] for row in rows for number in own] + [rows[0][number] for number in shared]


@lru_cache(maxsize=16)
def _text_of(moment: datetime) -> str:
    """The value as the driver writes it. Cached, since many rows have one moment in several columns."""
    return moment.isoformat(" ")


@lru_cache(maxsize=64)
def _insert_text(_db_type: str, doctype: str, columns: tuple[str, ...]) -> tuple[str, str]:
    """The statement up to its columns, and the parameters of one row."""
    query = frappe.qb.into(frappe.qb.DocType(doctype)).columns(*columns).insert(*[Parameter("%s")] * len(columns))
    head, _keyword, row = query.get_sql().partition(" VALUES ")
    return head, row
