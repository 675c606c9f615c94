"""Repairs the worker's database connection after an error."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import frappe

from . import server_errors, sql

PAUSES = (0.1, 1, 2, 4)
"""Seconds between tries while the database is away, in sum less than a lease."""
T = TypeVar("T")
_LOADED = time.monotonic()  # before any reopened connection: a server that started later knows none of them
LOST = frozenset({0, 1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055})
"""Error numbers of a connection that is gone or can't be opened. PyMySQL says 0 for one that it closed itself."""


def discard() -> None:
    """Undo everything since the last commit, callbacks included, and leave a usable connection.

    A connection that can't even roll back is closed, which rolls back too, and opened anew. Reasons: a time limit hits
    PyMySQL in the middle of a statement, the server is gone, or a rollback callback raises.
    """
    try:
        frappe.db.rollback()
    except Exception:
        renew()


def retried(action: Callable[[], T], *, undo_first: bool = False) -> T:
    """Run `action`. Repeat it while it loses against another session or the database is away for some seconds.

    Writes of a failed try are undone, with `undo_first` also earlier ones. For workers only: undoing also drops the
    transaction's callbacks, which `sql.committed` leaves alone.
    """
    for pause in (*PAUSES, None):
        try:
            if undo_first:
                discard()  # first, since a connection that a time limit has cut off answers nothing more
            return action()
        except Exception as error:
            undo_first = True
            if pause is None or not (is_lost(error) or server_errors.is_conflict(error)):
                with contextlib.suppress(Exception):
                    discard()
                raise
            time.sleep(pause if is_lost(error) else 0)
    raise AssertionError("unreachable")


def is_lost(error: BaseException) -> bool:
    """Whether the error says that the connection is gone."""
    return server_errors.database_code(error) in LOST or type(error).__name__ == "InterfaceError"


def renew() -> None:
    """Open a new connection. End the old one's query in the server, which would keep its locks."""
    user, old = frappe.session.user, sql.this_connection()
    try:
        frappe.db.close()
    except Exception:
        frappe.db._conn = None
    frappe.connect(set_admin_as_user=False)
    frappe.set_user(user)
    with contextlib.suppress(Exception):
        sql.kill_connection(old, time.monotonic() - _LOADED)
