"""Takes the job whose turn it is: the one place that decides who runs next, at the moment a worker is free."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import cast

from ..base import clock, config
from ..base.row_types import AttemptKey
from ..db import connection, sql
from ..notify import events
from ..status import JobStatus
from ..store import circuits, history, job_store, queued_job
from ..store.queued_job import QueuedJob, QueuedRow
from . import limits, line_queries, queue_view
from .claimed_job import ClaimedJob, ClaimedRow
from .selection import Line
from .turns import Turns

MARGIN = 30.0
"""Seconds before its forced end in which a process does what follows a job."""

YOUNG = 0.02
"""Seconds: what a transaction of that age sees is as good as new."""
FRESH = 0.04
"""Seconds: a look that is older is taken anew where that costs no commit, so that behind jobs of 50 ms nobody waits."""
MOST_WORKERS = 20
"""Of a line that a process reckons with: RQ counts killed ones for a while."""
PAUSES = (0, 0.005, 0.02)
"""Before each look: those who were in line may have been taken by others while this process looked."""
_START = """
    UPDATE `tabBackground Job` FORCE INDEX (PRIMARY)
    SET status = 'Running', in_line = 0, modified = %(now)s, modified_by = %(engine)s, attempt = %(attempt)s,
        started_at = %(now)s, started_epoch = UNIX_TIMESTAMP(), connection_id = %(connection_id)s,
        rq_job_id = %(entry_id)s, next_retry_at = NULL, progress = 0, progress_message = NULL
    WHERE name = %(name)s AND status = 'Queued' AND attempt = %(before)s
"""
_RESTART_LEASE = """
    UPDATE `tabBackground Job` FORCE INDEX (PRIMARY)
    SET modified = %(now)s, started_epoch = UNIX_TIMESTAMP(), connection_id = %(connection_id)s
    WHERE name = %(name)s AND status = 'Running' AND attempt = %(attempt)s
"""


def worker_name() -> str:
    """This process, for people: host and process id."""
    return _worker_name(os.getpid())


@lru_cache
def _worker_name(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"


def restart_lease(job: AttemptKey) -> bool:
    """Let the lease of a job that was taken a while ago, or on another connection, begin now. Commits.

    Returns whether the attempt is still its own.
    """
    connection_id = sql.this_connection() or 0
    values = {"now": clock.site_time(), "name": job["name"], "attempt": job["attempt"], "connection_id": connection_id}
    is_its_own = bool(sql.execute_as_of_now(_RESTART_LEASE, values))
    sql.commit()
    return is_its_own


@dataclass(slots=True)
class Checked:
    """What was found when the limits were asked."""

    at: datetime
    """The job starts at that moment: before a circuit that opens later."""
    circuit: circuits.Circuit | None = None


class Claimer:
    """Takes one job after another for a process.

    `queues`: those it may take from; all by default. `ends_at`: when the process is ended by force, as
    `time.monotonic()`: no job is taken whose time limit is behind that. `entry_id`: RQ's id of the entry under which it
    runs, None outside of workers. `workers`: how many take from these queues.
    """

    def __init__(
        self,
        queues: Collection[str] | None = None,
        ends_at: float = float("inf"),
        entry_id: str | None = None,
        workers: int = 1,
    ):
        self._entry_id = entry_id
        self._queues, self._workers = queues, min(workers, MOST_WORKERS)
        self._ends_at = ends_at
        self._view = queue_view.EMPTY_VIEW
        self._turns = Turns(queues)
        self.is_first = True
        """Whether nothing was taken yet: then the process is the job's own, if its type asks for that."""
        self.needs_entry: QueuedRow | None = None
        """A job whose turn it is, but that this process can't run: it is to have an entry of its own."""
        self._started: ClaimedJob | None = None

    def claim_next(self) -> ClaimedJob | None:
        """The next job, Running from now on; None if there is none. Commits, by SQL alone."""
        self._started = None
        return connection.retried(self._claim)

    def claim_named(self, name: str, attempt: int) -> ClaimedJob | None:
        """This job, if it may start now and is to make this attempt. For whoever runs jobs outside of a worker."""
        self._started = None
        return connection.retried(partial(self._claim_named, name, attempt))

    def claim_with_settle(self, log: list[history.Event], snapshot_age: float = YOUNG) -> ClaimedJob | None:
        """The next job, if that can be told in the transaction of a settle, which commits; None if it can't.

        What is to be written into its history is added to `log`. `snapshot_age`: seconds since the transaction began;
        another look is taken in a young one alone.
        """
        if not self._has_good_view():
            if snapshot_age >= YOUNG:
                return None
            found = queue_view.read_view_in_settle(self._queues, self._turns, snapshot_age)
            if found is None:
                return None
            self._use_view(found)
        return self._claim_in_order(log, in_settle=True)

    def _claim(self) -> ClaimedJob | None:
        if (before := self._claimed_before()) is not None:
            return before
        if self._has_good_view() and time.monotonic() - self._view.made_at < FRESH:
            sql.commit()  # a snapshot of this moment
            taken = self._claim_and_commit()
            if taken or self.needs_entry:
                return taken
        for pause in PAUSES:
            time.sleep(pause)
            sql.commit()
            self._use_view(queue_view.read_view(self._queues, self._turns))
            is_empty = not self._view.choice.lines
            taken = self._claim_and_commit()
            if taken or self.needs_entry or is_empty:
                return taken
        return None  # somebody holds those who are there: the next sweep sees to them

    def _has_good_view(self) -> bool:
        return time.monotonic() < self._view.is_good_until

    def _use_view(self, found: queue_view.QueueView) -> None:
        self._view = found
        found.workers = self._workers

    def _claim_named(self, name: str, attempt: int) -> ClaimedJob | None:
        if (before := self._claimed_before()) is not None:
            return before
        sql.commit()
        job = job_store.load(name, "status", "attempt", "admission_rank", *line_queries.LINE)
        if not job or job["status"] != JobStatus.QUEUED or job["attempt"] != attempt - 1:
            return None  # a stale or doubled message: the row says what is true
        only = Line(job["queue"], job["organization"], job["job_type"], job["priority"], job["admission_rank"])
        self._view = queue_view.read_view_of_line(only)
        self._view.restrict_to(only, line_queries.Place(name, only.rank))
        return self._claim_and_commit()

    def _claim_and_commit(self) -> ClaimedJob | None:
        log: list[history.Event] = []
        job = self._claim_in_order(log)
        history.write(log)
        sql.commit()  # callbacks of other apps could raise, and the attempt would be nobody's
        return job

    def _claim_in_order(self, log: list[history.Event], *, in_settle: bool = False) -> ClaimedJob | None:
        while line := self._view.choice.next():
            if not self._view.is_strict(line):
                taken = self._claim_first_of(line, log)
            elif in_settle:
                return None
            else:
                taken = self._claim_under_caps(line, log)
            if taken or self.needs_entry:
                return taken
        return None

    def _claim_under_caps(self, line: Line, log: list[history.Event]) -> ClaimedJob | None:
        """Under caps one such claim after another, each counting what the one before it has committed."""
        caps, checked = self._view.caps(line), Checked(clock.site_time())
        with limits.lock_caps(caps) as are_ours:
            sql.commit()  # a snapshot of what runs now
            key = limits.find_reached(caps) if are_ours else next(iter(caps))
            if key:
                self._view.choice.drop_capped(key)
                return None
            checked.circuit = self._circuit(line)
            if checked.circuit is not None and checked.circuit.is_held:
                self._view.choice.drop(line)
                return None
            taken = self._claim_first_of(line, log, checked)
            history.write(log)
            log.clear()
            sql.commit()
        return taken

    def _circuit(self, line: Line) -> circuits.Circuit | None:
        if not circuits.has_breaker(self._view.types[line.job_type]):
            return None
        return circuits.of_types([line.job_type], [line.organization]).get((line.organization, line.job_type))

    def _claim_first_of(
        self, line: Line, log: list[history.Event], checked: Checked | None = None
    ) -> ClaimedJob | None:
        """The first job of a line that nobody holds; None if there is none, or if another line is first by now."""
        choice = self._view.choice
        while candidate := self._view.first_place(line):
            if not choice.is_next(line, candidate.rank):
                return None
            job = queued_job.lock(candidate.name)
            if job:
                self._view.skip_claimed(line)
                return self._claim_locked(line, job, log, checked or Checked(clock.site_time()))
            self._view.skip(line)
        choice.drop(line)
        return None

    def _claim_locked(
        self, line: Line, job: QueuedJob, log: list[history.Event], checked: Checked
    ) -> ClaimedJob | None:
        job_type = self._view.types[line.job_type]
        is_alone = bool(job_type and job_type.own_process)
        if not self._can_run(job.row, is_alone):
            self.needs_entry = job.row
            return None
        circuit = checked.circuit
        if circuit is not None:
            circuit = circuits.claim_probe(circuit, job.row["name"], job.row["attempt"] + 1)
            if circuit is None:
                self._view.choice.drop(line)
                return None
        row = self._start(job.row, log, checked.at)
        if row is None:
            return None
        self._record_turn(line)
        self.is_first = False
        self._started = ClaimedJob(
            row,
            job.owner,
            job.has_children,
            handler=job_type.get("handler_method") if job_type else None,
            timeout_handler=job_type.get("timeout_handler_method") if job_type else None,
            requires_permission=job_type.get("requires_permission") if job_type else None,
            is_alone=is_alone,
            caps=self._view.caps(line),
            circuit=circuit,
        )
        return self._started

    def _can_run(self, job: QueuedRow, is_alone: bool) -> bool:
        if is_alone and not self.is_first:
            return False
        return time.monotonic() + job["timeout_seconds"] + MARGIN <= self._ends_at

    def _start(self, job: QueuedRow, log: list[history.Event], now: datetime) -> ClaimedRow | None:
        """The guarded UPDATE (invariant I3), its line in the history, and the news of it; the row as it is then."""
        attempt = job["attempt"] + 1
        connection_id = sql.this_connection() or 0
        values = {"name": job["name"], "before": job["attempt"], "attempt": attempt, "now": now}
        values |= {"engine": config.ENGINE, "connection_id": connection_id, "entry_id": self._entry_id}
        if not sql.execute_as_of_now(_START, values):
            return None
        message, worker = f"Worker started execution, attempt {attempt}", worker_name()
        log.append(history.event_of(job, JobStatus.QUEUED, JobStatus.RUNNING, message, config.ENGINE, worker=worker))
        events.announce([job], JobStatus.QUEUED, JobStatus.RUNNING, {})
        started = {"status": str(JobStatus.RUNNING), "attempt": attempt, "started_at": now}
        return cast(ClaimedRow, {**job, **started, "connection_id": connection_id})

    def _record_turn(self, line: Line) -> None:
        start = self._view.choice.passes[line.organization]
        price = self._view.choice.charge_turn(line)
        # With the start's own commit: told later, it would bring back a pass that others have gone by.
        events.add_to_pipeline(lambda pipeline: self._turns.record_turn(pipeline, line.organization, start, price))

    def _claimed_before(self) -> ClaimedJob | None:
        """The job of a try before this one, whose connection was lost in its commit."""
        started, self._started = self._started, None
        if started is None:
            return None
        row, now = started.row, job_store.load(started.name, "status", "attempt", "started_at", "connection_id")
        if not now or (now["status"], now["connection_id"]) != (JobStatus.RUNNING, row["connection_id"]):
            return None
        return started if (now["attempt"], now["started_at"]) == (row["attempt"], row["started_at"]) else None
