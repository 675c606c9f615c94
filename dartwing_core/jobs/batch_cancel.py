"""Sweeping batches, and cancelling one: its waiting members in batches, each committed, the running ones asked to stop.

The request stands on the batch's row until no member is live, so that a sweep goes on where somebody broke off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from . import backlog, batch_end, batch_store, cancel, dependencies, dispatch, redis_queue, sql, store
from .status import JobStatus

AT_ONCE = 500
SEEN_BATCHES = "seen-batches"
BATCHES = 200  # looked at in one sweep
WAITING = (JobStatus.PENDING, JobStatus.QUEUED, JobStatus.FAILED, JobStatus.TIMED_OUT)


def sweep() -> int:
    """What members' settles and cancels have missed; each sweep looks at the next batches. How many have changed."""
    after = dispatch.quietly(lambda: redis_queue.remembered(SEEN_BATCHES, redis_queue.client())) or ""
    names = batch_store.running(after, BATCHES)
    states = batch_store.states(names)
    for state in states:
        if state["cancel_requested"] and state["is_live"]:
            dispatch.quietly(partial(drain, state["name"]))
    changed = batch_end.settle(states)
    seen = names[-1] if len(names) == BATCHES else ""
    if seen != after:
        dispatch.quietly(lambda: redis_queue.remember(SEEN_BATCHES, seen, redis_queue.client()))
    return changed


def drain(name: str) -> int:
    """End the live members of a batch whose cancel was requested; how many were canceled. Commits."""
    sql.commit()  # a fresh snapshot
    request = batch_store.load(name, "cancel_requested", "canceled_by", "cancel_reason")
    if not request or not request["cancel_requested"]:
        return 0
    user, reason = request["canceled_by"], request["cancel_reason"]
    canceled = [job for status in WAITING for job in _cancel_waiting(name, status, user, reason)]
    for step in range(0, len(canceled), AT_ONCE):
        awaited = backlog.awaited([job["name"] for job in canceled[step : step + AT_ONCE]])
        dispatch.quietly(partial(dependencies.tell, awaited))
    for member in batch_store.to_be_stopped(name):
        dispatch.quietly(partial(cancel.ask_to_stop, member, user, reason))
    batch_end.look([name])
    return len(canceled)


def _cancel_waiting(name: str, status: JobStatus, user: str, reason: str | None) -> list[Mapping[str, Any]]:
    """The members in one state; their children are told later, so that members end canceled and not with a parent."""
    canceled: list[Mapping[str, Any]] = []
    after = ""
    while jobs := batch_store.members(name, [status], AT_ONCE, after):
        after = jobs[-1]["name"]
        moved = sql.committed(partial(_cancel, jobs, user, reason))
        canceled += moved
        if status == JobStatus.QUEUED and moved:
            dispatch.quietly(partial(redis_queue.remove, moved, redis_queue.client()))
    return canceled


def _cancel(jobs: Sequence[Mapping[str, Any]], user: str, reason: str | None) -> list[Mapping[str, Any]]:
    return store.move_all(jobs, JobStatus.CANCELED, cancel.message(reason), cancel.values(user), user)
