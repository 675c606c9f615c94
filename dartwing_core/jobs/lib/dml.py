"""INSERT, UPDATE and DELETE of rows, for all tables of the engine. Rows are deleted by name, so that nobody waits."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import frappe
from frappe.utils import create_batch
from pypika.queries import QueryBuilder

from . import sql

STANDARD = ("name", "creation", "modified", "owner", "modified_by", "docstatus", "idx")
"""Columns that Frappe gives to every table."""


def standard_columns(name: str, owner: str, now: datetime) -> dict[str, Any]:
    """The values of STANDARD for a new row, by column."""
    return dict(zip(STANDARD, (name, now, now, owner, owner, 0, 0), strict=True))


def update_query(doctype: str, values: Mapping[str, Any]) -> QueryBuilder:
    """An UPDATE that sets these columns. The caller adds the condition."""
    table = frappe.qb.DocType(doctype)
    query = frappe.qb.update(table)
    for column, value in values.items():
        query = query.set(table[column], value)
    return query


MANY = 50
"""Rows from which on a value that all of them share is sent only once."""


def insert_rows(doctype: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of the same columns in one statement."""
    shared = [column for column in rows[0] if len(rows) >= MANY and len({row[column] for row in rows}) == 1]
    own = [column for column in rows[0] if column not in shared]
    names = ",".join(f"`{column}`" for column in own)
    row = ",".join(["%s"] * len(own))
    source = f"VALUES {','.join([f'({row})'] * len(rows))}"
    if shared:
        source = f"WITH own ({names}) AS ({source}) SELECT {names},{','.join(['%s'] * len(shared))} FROM own"
    head = f"INSERT INTO `tab{doctype}` ({','.join(f'`{column}`' for column in own + shared)}) "
    values = [row[column] for row in rows for column in own] + [rows[0][column] for column in shared]
    frappe.db.sql(sql.as_of_now() + head + source, values)


LOCK_WAIT = 2  # seconds that a deletion waits for a row


def delete_rows(doctype: str, column: str, values: Collection[str]) -> None:
    """Delete the rows with one of these values in an indexed column, also those committed since the snapshot."""
    delete_named(doctype, names_of(doctype, column, values))


def names_of(doctype: str, column: str, values: Collection[str]) -> set[str]:
    """The names of the rows with one of these values, in this transaction or as committed now. Takes no locks."""
    if not values:
        return set()
    table = frappe.qb.DocType(doctype)
    query = frappe.qb.from_(table).select(table.name).where(table[column].isin([*values]))
    return {row["name"] for row in sql.rows_outside_transaction(query)}.union(query.run(pluck=True))


def delete_named(doctype: str, names: Collection[str], **having: Collection[str]) -> None:
    """Delete these rows, by the primary key. `having`: only those with one of these values in a column."""
    table = frappe.qb.DocType(doctype)
    for some in create_batch(sorted(names), sql.MOST_LOCKED_NAMES):
        query = frappe.qb.from_(table).delete().where(table.name.isin(some))
        for column, values in having.items():
            query = query.where(table[column].isin([*values]))
        statement, parameters = query.walk()
        # The query builder knows no FORCE INDEX in a DELETE.
        head, where, condition = statement.partition(" WHERE ")
        name = head.removeprefix("DELETE FROM ")
        text = f"DELETE {name} FROM {name} FORCE INDEX (PRIMARY){where}{condition}"
        frappe.db.sql(sql.as_of_now() + text, parameters)


@contextlib.contextmanager
def short_lock_waits() -> Iterator[None]:
    """Wait at most LOCK_WAIT seconds for each row while entered, also in Frappe's own statements."""
    before = frappe.db.sql("SELECT @@innodb_lock_wait_timeout")[0][0]
    frappe.db.sql(f"SET innodb_lock_wait_timeout = {LOCK_WAIT:d}")
    try:
        yield
    finally:
        frappe.db.sql(f"SET innodb_lock_wait_timeout = {int(before):d}")
