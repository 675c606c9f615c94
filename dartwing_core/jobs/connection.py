"""The worker's database connection after something went wrong in it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

import frappe

from . import clock, sql

TRIES = 3
T = TypeVar("T")
LOST = frozenset({0, 2006, 2013, 2055, 1927, 1053})
"""Error numbers of a connection that is gone; PyMySQL says 0 for one that it closed itself."""


def discard() -> None:
    """Undo everything since the last commit, callbacks included, and leave a usable connection.

    A connection that can't even roll back (a time limit hits PyMySQL in the middle of a statement, the server is
    gone, a rollback callback raises) is closed, which rolls back too, and opened anew.
    """
    try:
        frappe.db.rollback()
    except Exception:
        _reopen()


def retried(action: Callable[[], T]) -> T:
    """Run `action`, TRIES times in all while it loses against another session or loses its connection.

    What a failed try wrote is undone. For workers only: undoing drops the transaction's callbacks too, which
    `sql.committed` leaves alone.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return action()
        except Exception as error:
            discard()
            if attempt == TRIES or not (sql.is_conflict(error) or is_lost(error)):
                raise
    raise AssertionError("unreachable")


def is_lost(error: BaseException) -> bool:
    """Whether the error says that the connection is gone."""
    return sql.database_code(error) in LOST or type(error).__name__ == "InterfaceError"


def _reopen() -> None:
    """A new connection, and an end to the old one's query in the server, which would keep its locks."""
    user, old = frappe.session.user, sql.connection_id()
    try:
        frappe.db.close()
    except Exception:
        frappe.db._conn = None
    frappe.connect(set_admin_as_user=False)
    frappe.set_user(user)
    with contextlib.suppress(Exception):
        sql.kill_connection(old, clock.now_epoch() - 1)
