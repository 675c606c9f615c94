"""Transactions that the server undoes.

A deadlock (1213), or a row changed under snapshot isolation (1020), undoes the whole transaction, not only the
statement. A handler that catches the exception and returns would end Completed without its earlier writes. So
TransactionWatch notices that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import frappe
from frappe import _

from ..errors import TransientError
from . import server_errors


class TransactionWatch:
    """Sees the errors of `frappe.db.sql` while entered, also caught ones. Costs no statement."""

    def __init__(self) -> None:
        self.is_undone = False

    def __enter__(self) -> TransactionWatch:
        self._database = frappe.local.db  # kept, since `frappe.db` is another object if a handler reconnects
        self._replaced = vars(self._database).get("sql")
        self._sql = self._database.sql
        self._database.sql = self._run
        return self

    def __exit__(self, *_exception: Any) -> None:
        if self._replaced is None:
            del self._database.sql
        else:
            self._database.sql = self._replaced

    def check(self) -> None:
        """Raises TransientError if writes of the handler were undone without its knowledge."""
        if self.is_undone:
            raise TransientError(
                _("The database undid this job's transaction (deadlock), but the handler caught the error and went on.")
            )

    def _run(self, query: Any, *arguments: Any, **options: Any) -> Any:
        words = query[:40].lower().split() if isinstance(query, str) else []
        is_rollback = words[:1] == ["rollback"] and "to" not in words  # and not to a savepoint
        if words[:1] == ["commit"]:
            self.check()  # half of the work must not be made permanent
        try:
            result = self._sql(query, *arguments, **options)
        except Exception as error:
            self.is_undone = self.is_undone or self._undoes_transaction(str(query), error)
            raise
        if is_rollback:
            self.is_undone = False  # the handler itself has rolled back, and begins again
        return result

    def _undoes_transaction(self, query: str, error: Exception) -> bool:
        if "GET_LOCK" in query:
            return False  # a deadlock of only named locks leaves the transaction as it is
        return has_undone_transaction(error, self._sql)


def has_undone_transaction(error: Exception, ask: Callable[[str], Any]) -> bool:
    """Whether the server has undone the transaction of a statement that failed. `ask` issues a query."""
    code = server_errors.database_code(error)
    if code == server_errors.LOCK_WAIT_TIMEOUT:  # undoes the statement, or the transaction if that variable is ON
        return bool(ask("SELECT @@innodb_rollback_on_timeout")[0][0])
    return code in server_errors.UNDOING
