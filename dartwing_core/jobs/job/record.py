"""The record of a job: the one place that writes Background Job. Only `retention` deletes rows.

Every change of status is one guarded UPDATE plus one row of history (invariant I3). It happens only if the job still
has the status and attempt that the caller saw (invariant I4). Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import frappe
from pypika import Case

from ..access import content
from ..errors import InvalidTransitionError
from ..lib import clock, config, server_errors, sql
from ..lib.config import JobType
from ..lib.rows import Columns, HolderRow, JobRow, NewJobRow, WaitingRow, changed, due_columns, place_columns, rank
from ..lib.tables import JOB
from ..lib.texts import TEXT_LENGTH, text_for_storage
from ..rq import doorbells, due_sites
from ..status import FINISHED, RETRYABLE, WAITING, JobStatus, LinePlace, can_move
from . import event_jobs, events, find, history, notices
from .find import LOCK_WAIT, Child
from .runs import Outcome

CREATED, ENTERED, ENTERED_AGAIN = "Job created", "Job enqueued", "Job enqueued for retry"
CANCELED, RETRIED = "Job canceled", "Job re-queued for execution"
INSERT_BYTES, ROW_BYTES = 4_000_000, 1_000  # max_allowed_packet is 16 MB by default
REPLACEABLE = (
    *("modified", "modified_by", "sealed_input_parameters", "job_hash", "priority", "queue"),
    *("job_title", "reference_doctype", "reference_name", "job_tags"),
)
"""The columns that a newer request for an equal job replaces."""


class Job:
    """A job as its reader saw it. A move returns False, and writes nothing, if the job has changed since.

    After a move, `row` holds the columns as they are stored then.
    """

    __slots__ = ("row",)

    def __init__(self, row: JobRow):
        self.row = row

    def start(self, entry_id: str | None, at: datetime, worker: str) -> history.Event | None:
        """A worker begins the next attempt, on this connection. Returns the event, which the caller writes.

        None if the job has changed.
        """
        written = {
            "attempt": self.row["attempt"] + 1,
            "started_at": at,
            "connection_id": sql.this_connection() or 0,
            "rq_job_id": entry_id,
            "next_retry_at": None,
            "progress": 0,
            "progress_message": None,
        }
        message = f"Worker started execution, {history.attempt_of(self.row)}"
        return self._move_unlogged(JobStatus.RUNNING, message, written, config.ENGINE, worker=worker)

    def end(self, end: Outcome, *, progress: tuple[float, str] | None = None, **more: Any) -> history.Event | None:
        """An attempt has ended. Returns the event, which the caller writes. None if the job has changed.

        `progress`: its latest percent and message, None to leave what is there. `more`: `duration` and `worker` for the
        history, `lock_wait` and `job_type` as for `_change`.
        """
        written: Columns = {"crash_count": end.crash_count, "unfound_since_epoch": end.unfound_since}
        if progress is not None:
            written |= {"progress": progress[0], "progress_message": progress[1] or None}
        if end.status == JobStatus.COMPLETED:
            written |= {"progress": 100, "result": end.result, "output_reference": end.output_reference}
            written |= {"error_message": None, "error_type": None}
        elif end.status == JobStatus.CANCELED:
            written |= _canceled(end.canceled_by, end.cancel_reason)
        if end.error is not None:
            written |= {"error_message": end.error, "error_type": end.error_type, "next_retry_at": None}
        if end.retry_count is not None:
            written["retry_count"] = end.retry_count
        if end.due is not None:
            written |= due_columns(end.due, self.row["priority"])
            if end.status != JobStatus.PENDING:
                written["next_retry_at"] = written["available_at"]
            if end.keeps_place:
                del written["admission_rank"]
        return self._move_unlogged(end.status, end.message, written, end.canceled_by or config.ENGINE, **more)

    def cancel(self, user: str, reason: str | None) -> bool:
        """A user cancels the waiting job."""
        return self._move(JobStatus.CANCELED, CANCELED, _canceled(user, reason), user, lock_wait=LOCK_WAIT)

    def retry(self, active_key: str | None, edited: Mapping[str, Any], changed: Sequence[str]) -> bool:
        """The current user begins a fresh series of attempts.

        `edited`: the columns of other parameters. `changed`: the names of these.
        """
        written = {**_fresh(self.row), "waits_for": self.row["waits_for"], "active_key": active_key, **edited}
        status = JobStatus(written.pop("status"))
        message = f"Retried with other parameters: {', '.join(changed)}" if changed else RETRIED
        return self._move(status, message, written, frappe.session.user, lock_wait=LOCK_WAIT)

    def set_due(self, epoch: float, message: str) -> bool:
        """The current user lets the waiting job start at another time.

        `waits_for` may change at the same moment, so it is not written. `put_in_line` puts a due job in line.
        """
        is_later, user = epoch > clock.now_epoch(), frappe.session.user
        status, written = JobStatus(self.row["status"]), due_columns(epoch, self.row["priority"])
        if is_later:
            written["in_line"] = int(LinePlace.OUTSIDE)  # not held either
        if status == JobStatus.QUEUED and is_later:
            written["queued_at"] = None
            return self._move(JobStatus.PENDING, message, written, user, lock_wait=LOCK_WAIT)
        if status in RETRYABLE:
            written["next_retry_at"] = written["available_at"]
        written |= {"modified": clock.site_time(), "modified_by": user}
        if not _update([self.row["name"]], written, status, self.row["attempt"], LOCK_WAIT):
            return False
        history.write([history.event_of(self.row, status, status, message, user)])
        self.row = changed(self.row, written)
        return True

    def _move(self, to_status: JobStatus, message: str, written: Columns, actor: str, **more: Any) -> bool:
        event = self._move_unlogged(to_status, message, written, actor, **more)
        history.write([event] if event else [])
        return bool(event)

    def _move_unlogged(
        self, to_status: JobStatus, message: str, written: Columns, actor: str, **more: Any
    ) -> history.Event | None:
        stored, moves = _change([self.row], to_status, message, written, actor, attempt=self.row["attempt"], **more)
        self.row = changed(self.row, stored)
        return moves[0] if moves else None


# Many jobs ------------------------------------------------------------------------------------------------------------


def insert(rows: Sequence[NewJobRow], paused: Container[str] = ()) -> None:
    """Insert new jobs, which share their columns, with the first rows of their history, and tell of them.

    Wakes workers for those in line, but for those named in `paused`, which may not start.

    A taken `active_key` raises the driver's IntegrityError. No error leaves a job without its history. Large inserts
    are split, since a server limits the size of a statement. The caller undoes those before the one that fails.
    """
    if not rows:
        return
    told = event_jobs.rows_for(rows, None, JobStatus.PENDING)
    _insert([*rows, *told])
    in_line = [row for row in rows if row["status"] == JobStatus.QUEUED]
    doorbells.ring_after_commit([*(row for row in in_line if row["name"] not in paused), *told])
    if later := [row["due_epoch"] for row in rows if row["status"] != JobStatus.QUEUED and not row["waits_for"]]:
        due_sites.note_after_commit(min(later))
    events.announce(in_line, JobStatus.PENDING, JobStatus.QUEUED, {}, are_new=True)


def insert_untold(rows: Sequence[NewJobRow]) -> None:
    """Insert jobs that tell of others, and wake workers for them once they are committed."""
    if rows:
        _insert(rows)
        doorbells.ring_after_commit(rows)


def cancel_all(jobs: Sequence[Child], user: str, reason: str | None) -> list[Child]:
    """Cancel waiting jobs that share one state. Returns those that were canceled: see `_move_all`."""
    return _move_all(jobs, JobStatus.CANCELED, CANCELED, _canceled(user, reason), user)


def end_all(jobs: Sequence[Child], status: JobStatus, message: str, actor: str) -> list[Child]:
    """End waiting jobs that share one state and never will run. Returns those that ended: see `_move_all`."""
    written: Columns = {"error_message": message, "error_type": "Permanent", "next_retry_at": None}
    return _move_all(jobs, status, message, written, actor)


def retry_all(jobs: Sequence[Child], active_key: str | None) -> list[Child]:
    """Begin fresh series of jobs that share status, priority, and whether they wait. Returns those that began.

    `active_key`: the key that a single job gets. None: each keeps its own.
    """
    if not jobs:
        return []
    written = {**_fresh(jobs[0]), **({"active_key": active_key} if active_key else {})}
    status = JobStatus(written.pop("status"))
    return _move_all(jobs, status, RETRIED, written, frappe.session.user)


def enter_due(limit: int) -> list[WaitingRow]:
    """Put due jobs in line, the longest due of each state first. Returns those that got in."""
    now = clock.now_epoch()
    return [job for status in WAITING for job in enter_line(find.due(status, now, limit))]


def enter_line(names: Sequence[str]) -> list[WaitingRow]:
    """Put jobs in line that are due and wait for no other one. Returns those that got in. Skips locked jobs."""
    now = clock.now_epoch()
    return put_in_line([row for row in find.lock_waiting(names, None) if row["due_epoch"] <= now])


def put_in_line(rows: list[WaitingRow]) -> list[WaitingRow]:
    """Queue due jobs that this transaction has locked. Returns them.

    The actor is the engine, not the user who is logged in where it sweeps.
    """
    for status in sorted({row["status"] for row in rows}):
        some = [row for row in rows if row["status"] == status]
        message = ENTERED if status == JobStatus.PENDING else ENTERED_AGAIN
        history.write(_change(some, JobStatus.QUEUED, message, {}, config.ENGINE, lock_wait=LOCK_WAIT)[1])
    return rows


def replace_waiting(found: HolderRow, row: NewJobRow) -> bool:
    """Give a job the parameters and priority of a newer request. False if it has begun by now.

    Waits at most LOCK_WAIT seconds for the row. The error is then the database's.
    """
    status = JobStatus(found["status"])
    written: Columns = {column: value for column, value in row.items() if column in REPLACEABLE}
    written["admission_rank"] = rank(found["due_epoch"], row["priority"])
    if not _update([found["name"]], written, status, 0, LOCK_WAIT):
        return False
    replaced: Any = {**row, "name": found["name"]}
    text = "Parameters replaced by a newer request"
    history.write([history.event_of(replaced, status, status, text, row["owner"])])
    return True


def set_parents(waits_for: Mapping[str, str | None], statuses: Iterable[JobStatus]) -> int:
    """Write the parents for which jobs in these states wait, by job name, in one statement. Returns how many."""
    if not waits_for:
        return 0
    parent = Case()
    for name, waited_for in waits_for.items():
        parent = parent.when(JOB.name == name, waited_for)
    query = frappe.qb.update(JOB).set(JOB.waits_for, parent).set(JOB.modified, clock.site_time())
    query = query.set(JOB.version, JOB.version + 1)
    query = query.where(JOB.name.isin(list(waits_for)) & JOB.status.isin([str(status) for status in statuses]))
    return sql.run_update(query, LOCK_WAIT, by_name=True)


def _move_all(jobs: Sequence[Child], to_status: JobStatus, message: str, written: Columns, actor: str) -> list[Child]:
    """Move jobs that share the state of the first. Returns those that moved.

    Skips locked jobs, jobs in another state by now, and those that wait for another job now.
    """
    free = find.lock_unchanged(jobs) if jobs else []
    if free:
        history.write(_change(free, to_status, message, written, actor)[1])
    return free


def _change(
    jobs: Sequence[WaitingRow],
    to_status: JobStatus,
    message: str,
    written: Columns,
    actor: str,
    *,
    attempt: int | None = None,
    lock_wait: int | None = None,
    job_type: JobType | None = None,
    **of_event: Any,
) -> tuple[Columns, list[history.Event]]:
    """The one guarded move of jobs in one state: the UPDATE, and what is told of it.

    Returns the columns as they are stored, and the events for the history. None of both, and nothing is written, if the
    job has changed. `job_type`: that of a single job, as a claim has read it. `of_event`: further fields of the events.
    """
    from_status = JobStatus(jobs[0]["status"])
    if not can_move(from_status, to_status):
        raise InvalidTransitionError(f"A job can't go from {from_status} to {to_status}.")
    stored = _of_status(to_status, actor) | content.sealed(written)
    told = event_jobs.rows_for(jobs, from_status, to_status)  # first: an error here moves nothing
    if not _update([job["name"] for job in jobs], stored, from_status, attempt, lock_wait):
        return {}, []
    if "retry_count" in written:
        of_event["retry_attempt"] = written["retry_count"]
    moved = [history.event_of(job, from_status, to_status, message, actor, **of_event) for job in jobs]
    insert_untold(told)
    if to_status == JobStatus.QUEUED:
        doorbells.ring_after_commit(jobs)
    if to_status != JobStatus.RUNNING:  # of which its attempt tells (`events.AttemptPublisher`)
        events.announce(jobs, from_status, to_status, written)
    for job in jobs:
        notices.notify_after_commit(job, to_status, job_type)
    return stored, moved


# Columns and statements -----------------------------------------------------------------------------------------------


def _of_status(to_status: JobStatus, actor: str) -> Columns:
    """The columns that each move to this status writes, however it comes about."""
    place, now = LinePlace.IN_LINE if to_status == JobStatus.QUEUED else LinePlace.OUTSIDE, clock.site_time()
    written = {"status": str(to_status), "modified": now, "modified_by": actor, "in_line": int(place)}
    if to_status == JobStatus.QUEUED:
        written["queued_at"] = now
    if to_status == JobStatus.CANCELED:
        written["canceled_at"] = now
    return written | {"completed_at": now} if to_status in FINISHED else written


def _canceled(user: str | None, reason: str | None) -> Columns:
    said = text_for_storage(reason)[:TEXT_LENGTH] if reason else None
    return {"canceled_by": user, "cancel_reason": said, "next_retry_at": None}


def _fresh(job: WaitingRow) -> Columns:
    """The columns that begin a fresh series of attempts, without `waits_for`."""
    written = {
        **place_columns(clock.now_epoch(), job["priority"], job["waits_for"]),
        **dict.fromkeys(("next_retry_at", "completed_at", "error_message", "error_type", "progress_message")),
        **dict.fromkeys(("retry_count", "crash_count", "unfound_since_epoch", "progress"), 0),
    }
    del written["waits_for"]
    return written


def _update(
    names: Sequence[str],
    stored: Columns,
    from_status: JobStatus,
    attempt: int | None = None,
    lock_wait: int | None = None,
) -> int:
    """Issue UPDATE … WHERE status (and attempt) are what the caller saw. Returns the number of changed rows."""
    is_start = stored.get("status") == JobStatus.RUNNING
    if stored.get("in_line") != LinePlace.IN_LINE and (due := stored.get("due_epoch")):
        due_sites.note_after_commit(due)
    given = {"of_names": tuple(names), "from_status": str(from_status), "from_attempt": attempt}
    return sql.execute_as_of_now(_update_text(tuple(stored), is_start), {**stored, **given}, lock_wait)


@lru_cache
def _update_text(columns: tuple[str, ...], is_start: bool) -> str:
    """The statement of `_update`. Kept, since a worker issues two of them for each job."""
    assignments = [*(f"`{column}` = %({column})s" for column in columns), "version = version + 1"]
    if is_start:
        assignments.append("started_epoch = UNIX_TIMESTAMP()")  # the database's clock, which all sweepers share
    guards = "name IN %(of_names)s AND status = %(from_status)s AND COALESCE(%(from_attempt)s, attempt) = attempt"
    return f"UPDATE `tab{config.JOB}` FORCE INDEX (PRIMARY) SET {', '.join(assignments)} WHERE {guards}"


def _insert(rows: Sequence[NewJobRow]) -> None:
    batches = list(_by_size(rows))
    for batch in batches:
        sql.insert_rows(config.JOB, batch)
    try:
        for batch in batches:
            created, entered = zip(*map(_first_events, batch), strict=True)
            at_once = [created, entered] if len(batch) >= sql.MANY else [(*created, *entered)]  # alike: sent once
            for events_ in at_once:
                history.write([event for event in events_ if event])
    except Exception as error:
        if not server_errors.has_undone_transaction(error):
            sql.delete_named(config.JOB, [row["name"] for row in rows])
        raise


def _first_events(row: NewJobRow) -> tuple[history.Event, history.Event | None]:
    """The first events of a job: created Pending, and in line at that moment if it waits for nothing."""
    created = history.event_of(row, None, JobStatus.PENDING, CREATED, row["owner"])
    if row["status"] != JobStatus.QUEUED:
        return created, None
    return created, history.event_of(row, JobStatus.PENDING, JobStatus.QUEUED, ENTERED, row["owner"])


def _by_size(rows: Sequence[NewJobRow]) -> Iterator[list[NewJobRow]]:
    """The rows in batches of about INSERT_BYTES."""
    batch: list[NewJobRow] = []
    size = 0
    for row in rows:
        size += len(row["sealed_input_parameters"]) + ROW_BYTES
        if batch and size > INSERT_BYTES:
            yield batch
            batch, size = [], len(row["sealed_input_parameters"]) + ROW_BYTES
        batch.append(row)
    if batch:
        yield batch
