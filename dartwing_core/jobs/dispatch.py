"""From the database to RQ: after the submitter's commit, and by the sweeper.

The rows are the truth, Redis is a doorbell (invariant I1): whatever fails here is put right by the next sweep,
so nothing here may fail a caller whose data is already committed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import frappe
import redis.exceptions

from . import config, redis_queue, sql, store
from .status import JobStatus

MESSAGE = "Job enqueued"
T = TypeVar("T")


class Outbox:
    """The jobs submitted in the current transaction, and the one callback that queues them once it commits.

    It lives in `frappe.db.after_commit` alone: a rollback drops it there, so there is no flag that could go stale.
    """

    def __init__(self) -> None:
        self.jobs: list[Mapping[str, Any]] = []
        self.locks: list[str] = []
        self.actions: list[Callable[[], Any]] = []
        """Whatever else has to follow the commit; each commits what it writes."""

    def __call__(self) -> None:
        quietly(self.release_locks)
        jobs, self.jobs = self.jobs, []
        actions, self.actions = self.actions, []
        if jobs:
            quietly(lambda: self._queue(jobs))
        for action in actions:
            quietly(action)

    def release_locks(self) -> None:
        """Give back the named locks of the transaction that has ended."""
        while self.locks:
            self.release_lock(self.locks[-1])

    def release_lock(self, name: str) -> None:
        """Give back one of them."""
        self.locks.remove(name)
        frappe.db.sql("SELECT RELEASE_LOCK(%s)", (name,))

    def _queue(self, jobs: list[Mapping[str, Any]]) -> None:
        if not config.settings().is_paused:
            in_own_transaction(lambda: store.queue_all(jobs, JobStatus.PENDING, MESSAGE))


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


def queue_due_children(parent: str, limit: int) -> int:
    """Queue the jobs that waited for `parent`, which has completed; returns how many."""
    return in_own_transaction(
        lambda: store.queue_all(store.children(parent, limit, due_only=True), JobStatus.PENDING, MESSAGE)
    )


def quietly(action: Callable[[], T]) -> T | None:
    """Run `action`, for which the caller's commit must not fail: an error is logged and its transaction undone."""
    try:
        return action()
    except redis.exceptions.RedisError as error:
        frappe.logger("dartwing_core").warning(f"Redis is not reachable; jobs wait for the next sweep: {error}")
    except Exception:
        frappe.logger("dartwing_core").exception("A step was left to the next sweep")
        with contextlib.suppress(Exception):
            sql.rollback()
    return None
