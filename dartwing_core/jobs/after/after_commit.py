"""What follows the commit of the caller's transaction: locks are released, workers woken, further actions called."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import frappe
from frappe import _

from ..errors import JobBusyError
from ..lib import server_errors, sql
from . import follow_up


class AfterCommit:
    """The actions after the commit of the current transaction.

    It lives only in Frappe's callbacks of the transaction. A rollback drops it there, so no flag can go stale.
    """

    def __init__(self) -> None:
        self.locks: list[str] = []
        """Named locks to be released when the transaction has ended."""
        self.given_contents: set[str] = set()
        """The contents that this transaction gives to jobs (`dedup`). A savepoint may have undone that."""
        self.actions: list[Callable[[], Any]] = []
        """Further actions after the commit. Each commits its own writes."""
        self._parents: set[str] = set()
        self.undoing = 0
        """How many blocks are entered that an error undoes."""
        self._awaits_commit = False
        frappe.db.after_rollback.add(self._release_locks)

    def await_commit(self) -> None:
        """Note that the transaction has writes, which its commit has to keep."""
        if not self._awaits_commit:
            self._awaits_commit = True
            # In front of other apps' callbacks, which may raise: the rollback then has to release the locks.
            frappe.db.before_commit._functions.appendleft(self._before_commit)

    def release_children_of(self, parents: Iterable[str | None]) -> None:
        """Release the jobs that wait for these, which may have ended meanwhile."""
        self._parents.update(parent for parent in parents if parent)

    def add_once(self, action: Callable[[], Any]) -> None:
        """Add an action, which is called once however often it is added."""
        if action not in self.actions:
            self.actions.append(action)

    def __call__(self) -> None:
        """The transaction is committed."""
        if self._awaits_commit:  # another after-commit callback has written, too late for this commit
            sql.best_effort(sql.commit)
        sql.best_effort(self._release_locks)
        if self._parents:
            sql.best_effort(partial(follow_up.release_and_close, self._parents))
        for action in self.actions:
            sql.best_effort(action)

    def _before_commit(self) -> None:
        self._awaits_commit = False
        frappe.db.after_rollback.add(self._release_locks)  # Frappe has just dropped it, and its commit may still fail

    def _release_locks(self) -> None:
        names, self.locks = self.locks, []
        sql.release_locks(names)


def after_commit() -> AfterCommit:
    """The actions after the commit of the current transaction."""
    callbacks = frappe.db.after_commit
    found = next((one for one in callbacks._functions if isinstance(one, AfterCommit)), None)
    if found is None:
        found = AfterCommit()
        callbacks.add(found)
    found.await_commit()
    return found


@contextlib.contextmanager
def undone_on_error() -> Iterator[None]:
    """Undo the writes made while entered if an error leaves it, and only these. No action follows after the commit
    but the warning of a full queue.

    Workers may still be woken, and parents' children looked at: neither changes what was undone. The caller may catch
    the error and commit. Raises JobBusyError if another session kept a row locked for too long.
    """
    following = after_commit()
    actions, savepoint = [*following.actions], f"dartwing_core_{following.undoing}"
    frappe.db.savepoint(savepoint)
    following.undoing += 1
    try:
        yield
    except Exception as error:
        following.actions = actions
        if server_errors.has_undone_transaction(error):
            raise  # the savepoint is gone too
        frappe.db.rollback(save_point=savepoint)
        if server_errors.database_code(error) == server_errors.LOCK_WAIT_TIMEOUT:
            raise busy() from error
        raise
    finally:
        following.undoing -= 1


def busy() -> JobBusyError:
    """The error about a job that another transaction is just changing."""
    return JobBusyError(_("This job is being changed by someone else. Please try again."))
