"""Repairs the worker's database connection after an error, and notices transactions that the server undoes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

import frappe
from frappe import _

from ..errors import TransientError
from . import server_errors, sql

PAUSES = (0.1, 1, 2, 4)  # seconds between tries while the database is away, in sum less than a lease
T = TypeVar("T")
_LOADED = time.monotonic()  # before any reopened connection: a server that started later knows none of them


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
    return server_errors.database_code(error) in server_errors.LOST or type(error).__name__ == "InterfaceError"


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


class TransactionWatch:
    """Notices if the server undoes the whole transaction while entered. Costs no statement."""

    def __init__(self) -> None:
        self.is_undone = False

    def __enter__(self) -> TransactionWatch:
        self._database = frappe.local.db  # kept, since `frappe.db` is another object if a handler reconnects
        self._sql = self._database.sql
        self._database.sql = self._run
        return self

    def __exit__(self, *_exception: Any) -> None:
        self._database.sql = self._sql

    def check(self) -> None:
        """Raises TransientError if writes of the handler were undone without its knowledge."""
        if self.is_undone:
            raise TransientError(
                _("The database undid this job's transaction (deadlock), but the handler caught the error and went on.")
            )

    def _run(self, query: Any, *arguments: Any, **options: Any) -> Any:
        words = query[:40].lower().split() if isinstance(query, str) else []
        if words[:1] == ["commit"]:
            self.check()  # half of the work must not be made permanent
        try:
            result = self._sql(query, *arguments, **options)
        except Exception as error:
            # A deadlock of named locks alone leaves the transaction as it is.
            if server_errors.has_undone_transaction(error) and "GET_LOCK" not in str(query):
                self.is_undone = True
            raise
        if words[:1] == ["rollback"] and "to" not in words:  # not to a savepoint
            self.is_undone = False  # the handler itself has rolled back, and begins again
        return result
