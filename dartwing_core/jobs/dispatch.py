"""From the database to RQ: after the submitter's commit, and by the sweeper.

The rows are the truth, Redis is a doorbell (invariant I1): whatever fails here is put right by the next sweep,
so nothing here may fail a caller whose data is already committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import frappe
import redis.exceptions

from . import config, redis_queue, sql, store
from .status import JobStatus

MESSAGE = "Job enqueued"


class Outbox:
    """The jobs submitted in the current transaction, and the one callback that queues them once it commits.

    It lives in `frappe.db.after_commit` alone: a rollback drops it there, so there is no flag that could go stale.
    """

    def __init__(self) -> None:
        self.jobs: list[Mapping[str, Any]] = []
        self.locks: list[str] = []

    def __call__(self) -> None:
        quietly(self.release_locks)
        if self.jobs:
            quietly(self._queue)

    def release_locks(self) -> None:
        """Give back the named locks of the transaction that has ended."""
        names, self.locks = self.locks, []
        for name in names:
            frappe.db.sql("SELECT RELEASE_LOCK(%s)", (name,))

    def _queue(self) -> None:
        if not config.settings().is_paused:
            in_own_transaction(lambda _client: store.queue_all(self.jobs, JobStatus.PENDING, MESSAGE))


def outbox() -> Outbox:
    """The outbox of the current transaction."""
    for callback in getattr(frappe.db.after_commit, "_functions", ()):
        if isinstance(callback, Outbox):
            return callback
    box = Outbox()
    frappe.db.after_commit.add(box)
    frappe.db.after_rollback.add(box.release_locks)
    return box


def in_own_transaction(queue: Callable[[redis.Redis], Sequence[Mapping[str, Any]]]) -> int:
    """Commit what `queue(client)` moved to Queued, then ring for it; returns how many.

    Only where a transaction of ours is open: after-commit callbacks, workers, scheduler, CLI. Commits by SQL,
    since `frappe.db.commit()` would run other apps' callbacks inside ours. Redis is asked first whether it
    is there: if not, the jobs stay where they are and the next sweep takes them.
    """
    client = redis_queue.connection()
    for attempt in (1, 2):
        try:
            jobs = queue(client)
            frappe.db.sql("commit")
        except Exception as error:
            frappe.db.sql("rollback")
            if attempt == 2 or not sql.is_conflict(error):
                raise
        else:
            break
        finally:
            frappe.db.begin()
    redis_queue.push(jobs, client)
    return len(jobs)


def queue_due_children(parent: str, limit: int) -> int:
    """Queue the jobs that waited for `parent`, which has completed; returns how many."""
    return in_own_transaction(
        lambda _client: store.queue_all(store.children(parent, limit, due_only=True), JobStatus.PENDING, MESSAGE)
    )


def quietly(action: Callable[[], Any]) -> Any:
    """Run `action`; an error is logged, never raised."""
    try:
        return action()
    except redis.exceptions.RedisError as error:
        frappe.logger("dartwing_core").warning(f"Redis is not reachable; jobs wait for the next sweep: {error}")
    except Exception:
        frappe.logger("dartwing_core").exception("Jobs could not be queued; they wait for the next sweep")
    return None
