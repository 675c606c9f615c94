"""Deletes rows so that nobody waits: no other session for the gaps beside them, and this one not long for a lock.

A DELETE over an index locks the gaps beside the rows, or the gap where there is no row, until the commit. There, the
rows of other jobs are inserted: their attempts would lose their leases, and run twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

import frappe

from . import sql
from .pieces import in_pieces

LOCK_WAIT = 2
"""Seconds that a deletion waits for a row."""
_IN_SESSION = "innodb_lock_wait_timeout"


def delete_rows(doctype: str, column: str, values: Collection[str]) -> None:
    """Delete the rows with one of these values in a column that has an index.

    Also rows that others have committed since this transaction's snapshot.
    """
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
    for some in in_pieces(sorted(names), sql.MOST_LOCKED_NAMES):
        query = frappe.qb.from_(table).delete().where(table.name.isin(some))
        for column, values in having.items():
            query = query.where(table[column].isin([*values]))
        statement, parameters = query.walk()
        frappe.db.sql(sql.as_of_now() + _force_primary(statement), parameters)


def _force_primary(delete: str) -> str:
    """The text of a DELETE that finds its rows only by name. The query builder knows no FORCE INDEX there."""
    if frappe.db.db_type != "mariadb":
        return delete
    head, where, condition = delete.partition(" WHERE ")
    table = head.removeprefix("DELETE FROM ")
    return f"DELETE {table} FROM {table} FORCE INDEX (PRIMARY){where}{condition}"


@contextlib.contextmanager
def short_lock_waits() -> Iterator[None]:
    """Wait at most LOCK_WAIT seconds for each row while entered, also in Frappe's own statements."""
    if frappe.db.db_type != "mariadb":
        yield
        return
    before = frappe.db.sql(f"SELECT @@{_IN_SESSION}")[0][0]
    frappe.db.sql(f"SET {_IN_SESSION} = {LOCK_WAIT:d}")
    try:
        yield
    finally:
        frappe.db.sql(f"SET {_IN_SESSION} = {int(before):d}")
