"""From the database to RQ: with the submitter's commit, and by the sweeper.

The rows are the truth, Redis is a doorbell (invariant I1): whatever fails after the commit is put right by the next
sweep, so nothing there may fail a caller whose data is already committed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import frappe
import redis.exceptions
from rq.timeouts import BaseTimeoutException

from . import config, redis_queue, sql, store
from .status import JobStatus

MESSAGE = "Job enqueued"
RELEASE_BATCH = 200
T = TypeVar("T")


class Outbox:
    """The jobs submitted in the current transaction: Queued as its last act, announced to RQ once it is committed.

    It lives in Frappe's callbacks of the transaction alone: a rollback drops it there, so there is no flag that could
    go stale.
    """

    def __init__(self) -> None:
        self.locks: list[str] = []
        self.actions: list[Callable[[], Any]] = []
        """Whatever else has to follow the commit; each commits what it writes."""
        self._waiting: list[Mapping[str, Any]] = []
        self._queued: list[Mapping[str, Any]] = []
        self._is_armed = False

    def add(self, jobs: Iterable[Mapping[str, Any]]) -> None:
        """Queue these Pending jobs when the transaction commits."""
        self._waiting += jobs
        if not self._is_armed:
            self._is_armed = True
            frappe.db.before_commit.add(self._queue)

    def afterwards(self, action: Callable[[], Any]) -> None:
        """Have something else follow the commit, once however often it is asked for."""
        if action not in self.actions:
            self.actions.append(action)

    def __call__(self) -> None:
        """The transaction is committed."""
        quietly(self.release_locks)
        queued, self._queued = self._queued, []
        actions, self.actions = self.actions, []
        if queued:
            quietly(lambda: redis_queue.push(queued, redis_queue.client()))
        if self._is_armed:  # submitted by another after-commit callback: that was too late for this commit
            quietly(sql.commit)  # whatever comes of the queueing
            quietly(lambda: in_own_transaction(self._move))
        for action in actions:
            quietly(action)

    def release_locks(self, names: list[str] | None = None) -> None:
        """Give back the named locks of the transaction that has ended; with `names` only these."""
        if names is None:
            names, self.locks = self.locks, []
        else:
            for name in names:
                self.locks.remove(name)
        for start in range(0, len(names), RELEASE_BATCH):
            batch = names[start : start + RELEASE_BATCH]
            frappe.db.sql(f"SELECT {', '.join(['RELEASE_LOCK(%s)'] * len(batch))}", batch)

    def _queue(self) -> None:
        """Part of the caller's transaction, so that queueing takes no commit of its own."""
        self._is_armed = False
        frappe.db.after_rollback.add(self.release_locks)  # Frappe has just dropped it, and may not get to commit
        self._queued += self._move()

    def _move(self) -> list[Mapping[str, Any]]:
        jobs, self._waiting = self._waiting, []
        try:
            if not jobs:
                return []
            if config.settings().is_paused or not redis_queue.answers():
                return []  # they stay Pending for the next sweep
            return store.queue_all(jobs, JobStatus.PENDING, MESSAGE, frappe.session.user)
        except BaseTimeoutException:
            raise  # the time limit of whoever submits, in the middle of this: half of it must not be committed
        except Exception as error:
            if sql.database_code(error) is not None:
                raise  # the transaction may be undone, or half of this written: the caller must not commit it
            frappe.logger("dartwing_core").exception("Jobs were left to the next sweep")
            return []


def outbox() -> Outbox:
    """The outbox of the current transaction."""
    for callback in getattr(frappe.db.after_commit, "_functions", ()):
        if isinstance(callback, Outbox):
            return callback
    box = Outbox()
    frappe.db.after_commit.add(box)
    frappe.db.after_rollback.add(box.release_locks)
    return box


def in_own_transaction(queue: Callable[[], Sequence[Mapping[str, Any]]]) -> int:
    """Commit what `queue()` moved to Queued, then ring for it; returns how many.

    Redis is asked first whether it is there: if not, the jobs stay where they are and the next sweep takes them.
    """
    client = redis_queue.connection()
    jobs = sql.committed(queue)
    redis_queue.push(jobs, client)
    return len(jobs)


def queue_released(jobs: Sequence[Mapping[str, Any]]) -> int:
    """Queue jobs that waited for another one and whose time has come; returns how many."""
    return in_own_transaction(lambda: store.queue_all(jobs, JobStatus.PENDING, MESSAGE)) if jobs else 0


def quietly(action: Callable[[], T]) -> T | None:
    """Run `action`, for which the caller's commit must not fail: an error is logged and its transaction undone."""
    try:
        return action()
    except redis.exceptions.RedisError as error:
        frappe.logger("dartwing_core").warning(f"Redis is not reachable; jobs wait for the next sweep: {error}")
    except BaseTimeoutException:
        raise  # it comes once only, and who swallows it lets a plain background job run for ever
    except Exception:
        frappe.logger("dartwing_core").exception("A step was left to the next sweep")
        with contextlib.suppress(Exception):
            sql.rollback()
    return None
