"""Lets the engine run jobs within the transaction of a test, which a rollback removes as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import frappe
from pypika.queries import QueryBuilder

from .lib import connection, sql
from .rq import doorbells
from .run.heartbeat import HeartbeatThread

SAVEPOINT = "dartwing_core_commit"


class TransactionLost(AssertionError):
    """A handler has changed its database session, so the test's transaction can't go on. Use `run_jobs` for it."""


@contextmanager
def one_transaction() -> Iterator[None]:
    """In this block commits are savepoints, and rollbacks go back to the last one.

    Callbacks of commits are called all the same. The read of equal jobs on another
    connection stays within. Heartbeats and the doorbells of workers are left out.
    """
    database: Any = frappe.local.db
    run, commit, undoing = database.sql, database.commit, _Undoing(database)

    def controlled(query: Any, *arguments: Any, **options: Any) -> Any:
        control = _savepoint_for(query)
        return run(query if control is None else control, *arguments, **options) if control != "" else ()

    def noting_commit(*arguments: Any, **options: Any) -> None:
        undoing.note()
        commit(*arguments, **options)

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(database, "sql", controlled))
        patches.enter_context(mock.patch.object(database, "commit", noting_commit))
        patches.enter_context(mock.patch.object(sql, "rows_outside_transaction", _rows_inside))
        patches.enter_context(mock.patch.object(connection, "renew", _refuse))
        patches.enter_context(mock.patch.object(HeartbeatThread, "attend"))
        patches.enter_context(mock.patch.object(doorbells, "ring", return_value=0))
        run(f"SAVEPOINT {SAVEPOINT}")
        try:
            yield
        finally:
            undoing.put_back()


class _Undoing:
    """Keeps the callbacks of a rollback for the test's own one. Frappe forgets them at a commit."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._noted: list[Any] = []

    def note(self) -> None:
        """Note the callbacks that Frappe has before a commit."""
        self._noted += [one for one in self._database.after_rollback._functions if one not in self._noted]

    def put_back(self) -> None:
        """Put back the noted callbacks that Frappe has forgotten."""
        for function in self._noted:
            if function not in self._database.after_rollback._functions:
                self._database.after_rollback.add(function)


def _savepoint_for(query: Any) -> str | None:
    """The statement in place of one that controls the transaction: "" for none, None for any other statement."""
    words = query[:40].lower().split() if isinstance(query, str) else []
    match words:
        case ["commit", *_]:
            return f"SAVEPOINT {SAVEPOINT}"
        case ["rollback"] | ["rollback", "and", "chain"]:
            return f"ROLLBACK TO SAVEPOINT {SAVEPOINT}"
        case ["start", "transaction", *_] | ["begin", *_]:
            return ""
    return None


def _rows_inside(query: QueryBuilder) -> list[dict[str, Any]]:
    return query.run(as_dict=True)


def _refuse() -> None:
    raise TransactionLost("A job needs another database connection. Use run_jobs, which commits.")
