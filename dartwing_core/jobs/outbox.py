"""What a transaction that submits jobs leaves to its commit.

Jobs for which there is room become Queued as the transaction's last act and are announced to RQ once it is committed;
the others line up, and an admission pass follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import frappe
from rq.timeouts import BaseTimeoutException

from . import admission, backlog, dispatch, queueing, redis_queue, reservations, sql
from .dispatch import quietly
from .status import JobStatus

RELEASE_BATCH = 200


class Outbox:
    """The jobs submitted in the current transaction.

    It lives in Frappe's callbacks of the transaction alone: a rollback drops it there, so there is no flag that could
    go stale.
    """

    def __init__(self) -> None:
        self.locks: list[str] = []
        self.actions: list[Callable[[], Any]] = []
        """Whatever else has to follow the commit; each commits what it writes."""
        self._waiting: list[Mapping[str, Any]] = []
        self._queued: list[Mapping[str, Any]] = []
        self._reserved: list[reservations.Reservation] = []
        """Places for what is queued, until it is in RQ."""
        self._lines: set[str] = set()
        self._parents: set[str] = set()
        self._is_armed = False
        frappe.db.after_rollback.add(self._undone)

    def add(self, jobs: Iterable[Mapping[str, Any]]) -> None:
        """Queue these Pending jobs when the transaction commits, if there is room."""
        self._waiting += jobs
        if not self._is_armed:
            self._is_armed = True
            frappe.db.before_commit.add(self._queue)

    def line_up(self, queues: Iterable[str]) -> None:
        """Have an admission pass over these queues follow the commit."""
        self._lines.update(queues)

    def reconsider(self, job: Mapping[str, Any]) -> None:
        """A job that was submitted in this transaction or before is due at another time now: have a pass decide."""
        self._waiting = [row for row in self._waiting if row["name"] != job["name"]]
        self.line_up([job["queue"]])
        if job["waits_for"]:
            self.watch([job["waits_for"]])

    def watch(self, parents: Iterable[str]) -> None:
        """Look after the commit whether these jobs, which others wait for now, have ended meanwhile."""
        self._parents.update(parents)

    def afterwards(self, action: Callable[[], Any]) -> None:
        """Have something else follow the commit, once however often it is asked for."""
        if action not in self.actions:
            self.actions.append(action)

    def __call__(self) -> None:
        """The transaction is committed."""
        quietly(self.release_locks)
        queued, self._queued = self._queued, []
        actions, self.actions = self.actions, []
        reserved = self._taken_places()
        if queued or reserved:
            quietly(partial(self._push, queued, reserved))
        if self._is_armed:  # submitted by another after-commit callback: that was too late for this commit
            quietly(sql.commit)  # whatever comes of the queueing
            quietly(lambda: dispatch.in_own_transaction(self._move))
            quietly(lambda: reservations.give_back_now(self._taken_places()))
        lines, self._lines = self._lines, set()
        for queue in sorted(lines):
            quietly(partial(admission.after_line_up, queue))
        watched, self._parents = self._parents, set()
        if watched:
            from . import batch_end  # which makes callbacks, as what makes jobs calls this module

            quietly(partial(batch_end.tell, watched))
        for action in actions:
            quietly(action)

    def _push(self, queued: list[Mapping[str, Any]], reserved: list[reservations.Reservation]) -> None:
        also = partial(reservations.give_back, reserved)
        answers = redis_queue.push(queued, redis_queue.client(), also)
        self.line_up(reservations.lined_up(reserved, answers))

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

    def _undone(self) -> None:
        """The transaction is rolled back."""
        self.release_locks()
        queued, self._queued = self._queued, []
        if reserved := self._taken_places():
            quietly(partial(_make_up, queued, reserved))

    def _taken_places(self) -> list[reservations.Reservation]:
        """What is reserved, for the caller to give back."""
        reserved, self._reserved = self._reserved, []
        return reserved

    def _queue(self) -> None:
        """Part of the caller's transaction, so that queueing takes no commit of its own."""
        self._is_armed = False
        frappe.db.after_rollback.add(self._undone)  # Frappe has just dropped it, and may not get to commit
        self._queued += self._move()

    def _move(self) -> list[Mapping[str, Any]]:
        jobs, self._waiting = self._waiting, []
        try:
            return queueing.queue_new(self._with_room(jobs), frappe.session.user)
        except BaseTimeoutException:
            raise  # the time limit of whoever submits, in the middle of this: half of it must not be committed
        except Exception as error:
            if sql.database_code(error) is not None:
                raise  # the transaction may be undone, or half of this written: the caller must not commit it
            frappe.logger("dartwing_core").exception("Jobs were left to the next sweep")
            return []

    def _with_room(self, jobs: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Those that need not line up. While Redis is away or all is paused they wait for the sweeper."""
        by_queue: dict[str, list] = {}
        for job in jobs:
            if not admission.is_paused(job["queue"]):
                by_queue.setdefault(job["queue"], []).append(job)
        reserved = reservations.reserve_if_there(by_queue) if by_queue else None
        if reserved is None:
            return []
        refused = [found for found in reserved if not admission.has_room(found)]
        self._reserved += [found for found in reserved if found not in refused]
        quietly(partial(reservations.give_back_now, refused))
        full = {found.queue for found in refused}
        self.line_up(full)
        return [job for queue, members in by_queue.items() if queue not in full for job in members]


def _make_up(queued: list[Mapping[str, Any]], reserved: list[reservations.Reservation]) -> None:
    """The commit failed: give the places back, and let those go who lined up since they found them taken.

    Or it did not, and a callback of another app failed after it, so that ours was not called: then the jobs are there,
    until the sweep rings for them without entries, and the places stay theirs.
    """
    if queued and JobStatus.QUEUED in backlog.statuses([job["name"] for job in queued]).values():
        return
    reservations.give_back_now(reserved)
    for queue in sorted({reservation.queue for reservation in reserved}):
        quietly(partial(admission.after_line_up, queue))


def outbox() -> Outbox:
    """The outbox of the current transaction."""
    return sql.callback_of_transaction(Outbox)
