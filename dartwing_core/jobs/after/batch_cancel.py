"""Sweeps batches, and cancels one: its waiting members in committed steps, the running ones by a request to stop.

The request stays on the batch's row until no member is live. So a sweep goes on where a cancel broke off.
"""

from __future__ import annotations

from functools import partial

from ..job import batch_store, find, record, runs
from ..job.job_rows import MemberRow
from ..lib import best_effort, config, sql
from ..lib.dml import in_pieces
from ..line import wake
from ..rq import redis_queue
from ..status import NOT_RUNNING, JobStatus
from . import batch_end, cancel

AT_ONCE = 500
SEEN_BATCHES = "seen-batches"
BATCHES = 200  # read in one sweep


def sweep() -> int:
    """Do what members' settles and cancels have missed, for the next batches. Returns how many have changed."""
    names = batch_store.running(redis_queue.place(SEEN_BATCHES), BATCHES)
    states = batch_store.states(names)
    for state in states:
        if state["cancel_requested"] and state["is_live"]:
            best_effort.run(partial(drain, state["name"]))
    changed = batch_end.close_states(states)
    redis_queue.keep_place(SEEN_BATCHES, names[-1] if len(names) == BATCHES else "")
    return changed


def drain(name: str) -> None:
    """End the live members of a batch whose cancel was requested. Commits."""
    sql.commit()  # a fresh snapshot
    request = runs.cancel_request(name, config.BATCH)
    if not request:
        return
    user, reason = request["canceled_by"], request["cancel_reason"]
    canceled: list[MemberRow] = []
    for status in NOT_RUNNING:
        canceled += _cancel_waiting(name, status, user, reason)
    for some in in_pieces(canceled, AT_ONCE):
        best_effort.run(partial(batch_end.release_and_close, [job["name"] for job in some]))
    for member in find.to_be_stopped("parent_batch", name):
        best_effort.run(partial(cancel.cancel_now, member, user, reason))
    batch_end.close_ended([name])


def _cancel_waiting(name: str, status: JobStatus, user: str, reason: str | None) -> list[MemberRow]:
    """Cancel the members in one state, the youngest first.

    So children come before their parents: they end canceled, instead of ending with a parent.
    """
    canceled: list[MemberRow] = []
    last = None
    while jobs := batch_store.members(name, [status], AT_ONCE, last):
        last = jobs[-1]["name"]
        moved = sql.committed(partial(record.cancel_all, jobs, user, reason))
        canceled += moved
        if status == JobStatus.QUEUED and moved:
            best_effort.run(wake.admit_held)
    return canceled
