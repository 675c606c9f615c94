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
