"""Actions after a transaction's commit, such as releasing named locks and waking workers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any

import frappe
from frappe import _

from ..errors import JobBusyError
from ..lib import best_effort, server_errors, sql, transaction
from ..lib.pieces import in_pieces
from ..lib.row_types import RungJob
from ..line import wake

RELEASE_BATCH = 200


class AfterCommit:
    """The actions after the commit of the current transaction.

    It lives only in Frappe's callbacks of the transaction. A rollback drops it there, so no flag can go stale.
    """

    def __init__(self) -> None:
        self.locks: list[str] = []
        """Named locks to be released when the transaction has ended."""
        self.kept_locks: list[str] = []
        """Named locks that an action after the commit releases, or else the rollback."""
        self.given_contents: dict[str, set[str]] = {}
        """The jobs to which this transaction gives a content, by content. A savepoint may have undone that."""
        self.actions: list[Callable[[], Any]] = []
        """Further actions after the commit. Each commits its own writes."""
        self._in_line: list[RungJob] = []
        self._parents: set[str] = set()
        self._release: Callable[[Collection[str]], Any] | None = None
        self._awaits_commit = False
        frappe.db.after_rollback.add(self._undone)

    def await_commit(self) -> None:
        """Note that the transaction has writes, which its commit has to keep."""
        if not self._awaits_commit:
            self._awaits_commit = True
            # In front of other apps' callbacks, which may raise: without it, the rollback then keeps the locks.
            frappe.db.before_commit._functions.appendleft(self._renew_rollback)

    def wake_for(self, jobs: Iterable[RungJob]) -> None:
        """Wake workers for these jobs in line."""
        self._in_line += jobs

    def release_children_of(self, parents: Iterable[str], release: Callable[[Collection[str]], Any]) -> None:
        """Call `release` after the commit with these jobs: others wait for them, and they may have ended meanwhile."""
        self._parents.update(parents)
        self._release = release

    def add_once(self, action: Callable[[], Any]) -> None:
        """Add an action, which is called once however often it is added."""
        if action not in self.actions:
            self.actions.append(action)

    def mark(self) -> Callable[[], None]:
        """Returns a function that drops the actions that are added from now on. The transaction goes on.

        Workers may still be woken, and parents' children looked at: neither changes what was undone.
        """
        actions, count = [*self.actions], len(self.kept_locks)

        def drop_newer() -> None:
            self.actions, newer = actions, self.kept_locks[count:]
            del self.kept_locks[count:]
            self._release_named(newer)

        return drop_newer

    def __call__(self) -> None:
        """The transaction is committed."""
        if self._awaits_commit:  # another after-commit callback has written, too late for this commit
            best_effort.run(sql.commit)
        best_effort.run(self.release_locks)
        actions, self.actions = self.actions, []
        jobs, self._in_line = self._in_line, []
        if jobs:
            best_effort.run(partial(wake.wake_for, jobs))
        watched, self._parents = self._parents, set()
        if watched and self._release:
            best_effort.run(partial(self._release, watched))
        for action in actions:
            best_effort.run(action)

    def release_locks(self, names: list[str] | None = None) -> None:
        """Release the named locks of the transaction that has ended. With `names`, only these."""
        if names is None:
            names, self.locks = self.locks, []
        else:
            for name in names:
                self.locks.remove(name)
        self._release_named(names)

    def release_kept(self, name: str) -> None:
        """Release a lock of `kept_locks`, if the rollback has not."""
        if name in self.kept_locks:
            self.kept_locks.remove(name)
            self._release_named([name])

    def _release_named(self, names: list[str]) -> None:
        for some in in_pieces(names, RELEASE_BATCH):
            frappe.db.sql(f"SELECT {', '.join(['RELEASE_LOCK(%s)'] * len(some))}", some)

    def _renew_rollback(self) -> None:
        self._awaits_commit = False
        frappe.db.after_rollback.add(self._undone)  # Frappe has just dropped it, and its commit may still fail

    def _undone(self) -> None:
        """The transaction is rolled back."""
        self.locks += self.kept_locks
        self.kept_locks = []
        self.release_locks()


def after_commit() -> AfterCommit:
    """The actions after the commit of the current transaction."""
    found = sql.callback_of_transaction(AfterCommit)
    found.await_commit()
    return found


@contextlib.contextmanager
def undone_on_error(savepoint: str) -> Iterator[None]:
    """Undo the writes made while entered if an error leaves it, and only these. Nothing follows them after the commit.

    The caller may catch the error and commit. Raises JobBusyError if another session kept a row locked for too long.
    """
    drop_newer = after_commit().mark()
    frappe.db.savepoint(savepoint)
    try:
        yield
    except Exception as error:
        is_undone = True  # also if that can't be read
        try:
            is_undone = transaction.has_undone_transaction(error, frappe.db.sql)
            if not is_undone:  # else the savepoint is gone too
                frappe.db.rollback(save_point=savepoint)
        finally:
            best_effort.run(drop_newer)
        if not is_undone and server_errors.database_code(error) == server_errors.LOCK_WAIT_TIMEOUT:
            raise busy() from error
        raise


def busy() -> JobBusyError:
    """The error about a job that another transaction is just changing."""
    return JobBusyError(_("Somebody else is just changing this job. Please try again."))
