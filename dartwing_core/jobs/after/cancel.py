"""Cancels a job in each state, and a batch: its waiting members in committed steps, the running ones by a request.

A waiting job is Canceled in the caller's transaction, and a running one is asked to stop in it. The heartbeat reads the
request and tells the handler. After a grace period `sweep.rescue` ends it by force. A batch's request stays on its row
until no member is live. So a sweep goes on where a cancel broke off.
"""

from __future__ import annotations

import time
from functools import partial

import frappe
from frappe import _
from frappe.utils import create_batch

from ..errors import InvalidTransitionError, JobChangedError
from ..job import batch_store, find, record, runs
from ..job.find import LOCK_WAIT
from ..job.record import Job
from ..lib import clock, config, sql
from ..lib.rows import JobRow, MemberRow
from ..line import queue_view
from ..rq import due_sites, redis_queue
from ..run import heartbeat
from ..status import NOT_RUNNING, JobStatus, can_move, word_of
from . import follow_up
from .after_commit import after_commit, busy

TRIES = 5
PAUSE = 0.02
AT_ONCE = 500
SEEN_BATCHES = "seen-batches"
BATCHES = 200  # read in one sweep


def cancel(job: JobRow, reason: str | None) -> JobRow:
    """Cancel a job as its reader saw it. Returns its columns after that. Raises JobChangedError if it has changed."""
    status, user = JobStatus(job["status"]), frappe.session.user
    if status == JobStatus.RUNNING:
        _ask_to_stop(job, user, reason)
        return job
    if not can_move(status, JobStatus.CANCELED):
        raise InvalidTransitionError(_("Job {0} is {1} and can't be canceled.").format(job["name"], word_of(status)))
    canceled = Job(job)
    if not canceled.cancel(user, reason):
        raise JobChangedError(job["name"])
    after_commit().actions.append(partial(follow_up.release_and_close, [job["name"]], [job["parent_batch"]]))
    if status == JobStatus.QUEUED:
        after_commit().add_once(queue_view.admit_held)
    return canceled.row


def _ask_to_stop(job: JobRow, user: str, reason: str | None) -> None:
    """Ask the running attempt to stop. Raises JobChangedError if it has settled, JobBusyError if another has the row.

    Waits here and not in the database: this transaction may hold the job's row, for which a settle waits.
    """
    deadline = time.monotonic() + LOCK_WAIT
    while not runs.request_cancel(job["name"], job["attempt"], user, reason):
        if time.monotonic() > deadline:
            raise busy()
        time.sleep(PAUSE)
    due_sites.note_after_commit(clock.now_epoch() + heartbeat.cancel_grace(config.settings()))
    now = find.load_sealed(job["name"], is_now=True)
    if now and (now["status"], now["attempt"]) != (JobStatus.RUNNING, job["attempt"]):
        raise JobChangedError(job["name"])


def cancel_now(name: str, user: str, reason: str | None) -> None:
    """Cancel a job in whatever live state it is, in transactions of its own. Does nothing once it has ended."""
    for _try in range(TRIES):
        sql.commit()  # a fresh snapshot
        job = find.load(name)
        if not job or not can_move(JobStatus(job["status"]), JobStatus.CANCELED):
            return
        try:
            if job["status"] == JobStatus.RUNNING:
                sql.committed(partial(_ask_to_stop, job, user, reason))
                return
        except JobChangedError:
            continue
        if sql.committed(partial(Job(job).cancel, user, reason)):
            follow_up.release_and_close([name], [job["parent_batch"]])
            queue_view.admit_held()
            return


# Batches -------------------------------------------------------------------------------------------------------------


def sweep_batches() -> int:
    """Do what members' settles and cancels have missed, for the next batches. Returns how many have changed."""
    names = batch_store.running(redis_queue.place(SEEN_BATCHES), BATCHES)
    states = batch_store.states(names)
    for state in states:
        if state["cancel_requested"] and state["is_live"]:
            sql.best_effort(partial(drain, state["name"]))
    changed = follow_up.close_states(states)
    redis_queue.keep_place(SEEN_BATCHES, names[-1] if len(names) == BATCHES else "")
    return changed


def drain(name: str) -> None:
    """End the live members of a batch whose cancel was requested. Commits."""
    sql.commit()  # a fresh snapshot
    request = runs.cancel_request(name, config.BATCH)
    if not request:
        return
    user, reason = request["canceled_by"], request["cancel_reason"]
    canceled = [job for status in NOT_RUNNING for job in _cancel_waiting(name, status, user, reason)]
    for some in create_batch(canceled, AT_ONCE):
        sql.best_effort(partial(follow_up.release_and_close, [job["name"] for job in some]))
    for member in find.to_be_stopped("parent_batch", name):
        sql.best_effort(partial(cancel_now, member, user, reason))
    follow_up.close_ended([name])


def _cancel_waiting(name: str, status: JobStatus, user: str, reason: str | None) -> list[MemberRow]:
    """Cancel the members in one state, the youngest first: children shall end canceled, and not with a parent."""
    canceled: list[MemberRow] = []
    last = None
    while jobs := batch_store.members(name, [status], AT_ONCE, last):
        last = jobs[-1]["name"]
        moved = sql.committed(partial(record.cancel_all, jobs, user, reason))
        canceled += moved
        if status == JobStatus.QUEUED and moved:
            sql.best_effort(queue_view.admit_held)
    return canceled
