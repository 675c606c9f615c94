"""Transactions that the server undoes.

A deadlock (1213), or a row changed under snapshot isolation (1020), undoes the whole transaction, not only the
statement. A handler that catches the exception and returns would end Completed without its earlier writes. So
TransactionWatch notices that.
"""

from __future__ import annotations

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
        if words[:1] == ["commit"]:
            self.check()  # half of the work must not be made permanent
        try:
            result = self._sql(query, *arguments, **options)
        except Exception as error:
            # A deadlock of named locks alone leaves the transaction as it is.
            self.is_undone = self.is_undone or (has_undone_transaction(error) and "GET_LOCK" not in str(query))
            raise
        if words[:1] == ["rollback"] and "to" not in words:  # not to a savepoint
            self.is_undone = False  # the handler itself has rolled back, and begins again
        return result


def has_undone_transaction(error: BaseException) -> bool:
    """Whether the server has undone the whole transaction of a statement that failed."""
    return server_errors.database_code(error) in server_errors.UNDOING
