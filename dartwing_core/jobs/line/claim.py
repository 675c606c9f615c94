"""Claims the job whose turn it is: the one place that decides who runs next, at the moment a worker is free."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import cast

from ..job import circuits, event_jobs, events, history, job_store, queued_job
from ..job.queued_job import QueuedJob, QueuedRow
from ..lib import clock, config, connection, sql
from ..lib.row_types import AttemptKey
from ..status import JobStatus, LinePlace
from . import limits, line_queries, queue_view
from .claimed_job import ClaimedJob, ClaimedRow
from .selection import Line
from .turns import Turns

MARGIN = 30.0
"""Seconds that a process keeps before its forced end, for what follows a job."""

YOUNG = 0.02
"""Seconds. A snapshot younger than this counts as new."""
FRESH = 0.04
"""Seconds. An older view is read anew where that costs no commit, so that nothing waits behind jobs of 50 ms."""
MOST_WORKERS = 20
"""Workers that a process assumes at most: RQ counts killed ones for a while."""
PAUSES = (0, 0.005, 0.02)
"""Seconds before each view: others may have claimed the jobs in line while this process read it."""
_START = f"""
    UPDATE `tabBackground Job` FORCE INDEX (PRIMARY)
    SET status = 'Running', in_line = {LinePlace.OUTSIDE:d}, modified = %(now)s, modified_by = %(engine)s,
        attempt = %(attempt)s, started_at = %(now)s, started_epoch = UNIX_TIMESTAMP(),
        connection_id = %(connection_id)s, rq_job_id = %(entry_id)s, next_retry_at = NULL, progress = 0,
        progress_message = NULL
    WHERE name = %(name)s AND status = 'Queued' AND attempt = %(before)s
"""
_RESTART_LEASE = """
    UPDATE `tabBackground Job` FORCE INDEX (PRIMARY)
    SET modified = %(now)s, started_epoch = UNIX_TIMESTAMP(), connection_id = %(connection_id)s
    WHERE name = %(name)s AND status = 'Running' AND attempt = %(attempt)s
"""


def worker_name() -> str:
    """The name of this process for people: host and process id."""
    return _worker_name(os.getpid())


@lru_cache
def _worker_name(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"


def restart_lease(job: AttemptKey) -> bool:
    """Restart the lease of a job that was claimed a while ago, or on another connection. Commits.

    Returns whether the attempt still belongs to this process.
    """
    return connection.retried(partial(_restart_lease, job))


def _restart_lease(job: AttemptKey) -> bool:
    sql.commit()  # opens a connection if a hook has closed it
    values = {"now": clock.site_time(), "name": job["name"], "attempt": job["attempt"]}
    is_its_own = bool(sql.execute_as_of_now(_RESTART_LEASE, values | {"connection_id": sql.this_connection() or 0}))
    sql.commit()
    return is_its_own


@dataclass(slots=True)
class StrictCheck:
    """The result of a strict check of the limits."""

    at: datetime
    """When the job starts: before a circuit that opens later."""
    circuit: circuits.Circuit | None = None


class Claimer:
    """Claims one job after another for a process.

    `queues`: those it may claim from, all by default. `ends_at`: when the process is ended by force, as
    `time.monotonic()`. No job is claimed whose time limit lies behind that. `entry_id`: RQ's id of the entry under
    which it runs, None outside of workers. `workers`: how many claim from these queues.
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
        self._turns = Turns(queues)
        self.view = queue_view.EMPTY_VIEW
        """The jobs in line as this process has read them. Others may have claimed some of them since."""
        self.is_first = True
        """Whether nothing was claimed yet. A type that asks for a process of its own gets it only then."""
        self.needs_entry: QueuedRow | None = None
        """A job whose turn it is, but that this process can't run. It needs an entry of its own."""
        self._started: ClaimedJob | None = None

    def outdate_after(self, seconds: float) -> None:
        """Read the line anew for the next claim, if the job before took so many seconds that others may be first."""
        if seconds >= self.view.long_job:
            self.view.is_good_until = 0

    def claim_next(self) -> ClaimedJob | None:
        """Claim the next job and make it Running. None if there is none. Commits, by SQL alone."""
        self._started = None
        return connection.retried(self._claim)

    def claim_named(self, name: str, attempt: int) -> ClaimedJob | None:
        """Claim this job, if it may start now and this attempt is its next. For callers outside of a worker."""
        self._started = None
        return connection.retried(partial(self._claim_named, name, attempt))

    def claim_with_settle(self, log: list[history.Event], snapshot_age: float = YOUNG) -> ClaimedJob | None:
        """Claim the next job in the transaction of a settle, which commits. None if that can't be decided there.

        Adds the events of its history to `log`. `snapshot_age`: seconds since the transaction began. Only in a young
        transaction another view is read.
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
        if self._has_good_view() and time.monotonic() - self.view.made_at < FRESH:
            sql.commit()  # a snapshot of this moment
            taken = self.claim_from_view()
            if taken or self.needs_entry:
                return taken
        for pause in PAUSES:
            if pause:
                time.sleep(pause)
            sql.commit()
            self._use_view(queue_view.read_view(self._queues, self._turns))
            is_empty = not self.view.choice.lines
            taken = self.claim_from_view()
            if taken or self.needs_entry or is_empty:
                return taken
        return None  # others hold the jobs that are there; the next sweep wakes workers for them

    def _has_good_view(self) -> bool:
        return time.monotonic() < self.view.is_good_until

    def _use_view(self, found: queue_view.QueueView) -> None:
        found.workers = self._workers
        found.take_over(self.view)
        self.view = found

    def _claim_named(self, name: str, attempt: int) -> ClaimedJob | None:
        if (before := self._claimed_before()) is not None:
            return before
        sql.commit()
        job = job_store.load(name, "status", "attempt", "admission_rank", *line_queries.LINE)
        if not job or job["status"] != JobStatus.QUEUED or job["attempt"] != attempt - 1:
            return None  # a stale or doubled message: the row is the truth
        only = Line(job["queue"], job["organization"], job["job_type"], job["priority"], job["admission_rank"])
        self.view = queue_view.read_view_of_line(only)
        self.view.restrict_to(only, line_queries.Place(name, only.rank))
        return self.claim_from_view()

    def claim_from_view(self) -> ClaimedJob | None:
        """Claim the next job of the view as it is, without reading it anew. Commits, by SQL alone."""
        log: list[history.Event] = []
        job = self._claim_in_order(log)
        history.write(log)
        sql.commit()  # no callbacks: if one raised, nobody would run the attempt
        return job

    def _claim_in_order(self, log: list[history.Event], *, in_settle: bool = False) -> ClaimedJob | None:
        while line := self.view.choice.next():
            if not self.view.is_strict(line):
                taken = self._claim_first_of(line, log)
            elif in_settle:
                return None
            else:
                taken = self._claim_under_caps(line, log)
            if taken or self.needs_entry:
                return taken
        return None

    def _claim_under_caps(self, line: Line, log: list[history.Event]) -> ClaimedJob | None:
        """Claim under caps: one claim after another, each counting what the one before has committed."""
        caps, checked = self.view.caps(line), StrictCheck(clock.site_time())
        with limits.lock_caps(caps) as are_ours:
            sql.commit()  # a snapshot of what runs now
            key = limits.find_reached(caps) if are_ours else next(iter(caps))
            if key:
                self.view.choice.drop_capped(key)
                return None
            checked.circuit = self._circuit(line)
            if checked.circuit is not None and checked.circuit.stops_jobs:
                self.view.choice.drop(line)
                return None
            taken = self._claim_first_of(line, log, checked)
            history.write(log)
            log.clear()
            sql.commit()
        return taken

    def _circuit(self, line: Line) -> circuits.Circuit | None:
        if not circuits.has_breaker(self.view.types[line.job_type]):
            return None
        return circuits.of_types([line.job_type], [line.organization]).get((line.organization, line.job_type))

    def _claim_first_of(
        self, line: Line, log: list[history.Event], checked: StrictCheck | None = None
    ) -> ClaimedJob | None:
        """Claim the first job of a line that nobody holds. None if there is none, or another line is first by now."""
        choice = self.view.choice
        while candidate := self.view.first_place(line):
            if not choice.is_next(line, candidate.rank):
                return None
            job = queued_job.lock(candidate.name)
            if job:
                self.view.skip_claimed(line)
                return self._claim_locked(line, job, log, checked or StrictCheck(clock.site_time()))
            self.view.skip(line)
        choice.drop(line)
        return None

    def _claim_locked(
        self, line: Line, job: QueuedJob, log: list[history.Event], checked: StrictCheck
    ) -> ClaimedJob | None:
        job_type = self.view.types[line.job_type]
        if not self._can_run(job.row, bool(job_type and job_type.own_process)):
            self.needs_entry = job.row
            return None
        circuit = checked.circuit
        if circuit is not None:
            circuit = circuits.claim_probe(circuit, job.row["name"], job.row["attempt"] + 1)
            if circuit is None:
                self.view.choice.drop(line)
                return None
        row = self._start(job.row, log, checked.at)
        if row is None:
            return None
        self._record_turn(line)
        self.is_first = False
        self._started = self._claimed_job(line, job, row, circuit)
        return self._started

    def _claimed_job(self, line: Line, job: QueuedJob, row: ClaimedRow, circuit: circuits.Circuit | None) -> ClaimedJob:
        job_type = self.view.types[line.job_type]
        return ClaimedJob(
            row,
            job.owner,
            job.has_children,
            handler=job_type.get("handler_method") if job_type else None,
            timeout_handler=job_type.get("timeout_handler_method") if job_type else None,
            requires_permission=job_type.get("requires_permission") if job_type else None,
            is_alone=bool(job_type and job_type.own_process),
            caps=self.view.caps(line),
            circuit=circuit,
        )

    def _can_run(self, job: QueuedRow, is_alone: bool) -> bool:
        if is_alone and not self.is_first:
            return False
        return time.monotonic() + job["timeout_seconds"] + MARGIN <= self._ends_at

    def _start(self, job: QueuedRow, log: list[history.Event], now: datetime) -> ClaimedRow | None:
        """Issue the guarded UPDATE (invariant I3), log and announce it. Returns the row as it is then."""
        attempt = job["attempt"] + 1
        connection_id = sql.this_connection() or 0
        values = {"name": job["name"], "before": job["attempt"], "attempt": attempt, "now": now}
        values |= {"engine": config.ENGINE, "connection_id": connection_id, "entry_id": self._entry_id}
        told = event_jobs.rows_for(
            [job], JobStatus.QUEUED, JobStatus.RUNNING
        )  # before the UPDATE, so that an error here starts nothing
        if not sql.execute_as_of_now(_START, values):
            return None
        message, worker = f"Worker started execution, attempt {attempt}", worker_name()
        log.append(history.event_of(job, JobStatus.QUEUED, JobStatus.RUNNING, message, config.ENGINE, worker=worker))
        event_jobs.insert(told)  # after the log: callers read there that the job has started, if this raises
        events.announce([job], JobStatus.QUEUED, JobStatus.RUNNING, {})
        started = {"status": str(JobStatus.RUNNING), "attempt": attempt, "started_at": now}
        return cast(ClaimedRow, {**job, **started, "connection_id": connection_id})

    def _record_turn(self, line: Line) -> None:
        start = self.view.choice.passes[line.organization]
        price = self.view.choice.charge_turn(line)
        # With the start's own commit: later, it would bring back a pass that others have gone by.
        events.add_to_pipeline(lambda pipeline: self._turns.record_turn(pipeline, line.organization, start, price))

    def _claimed_before(self) -> ClaimedJob | None:
        """The job of an earlier try whose connection was lost in its commit."""
        started, self._started = self._started, None
        if started is None:
            return None
        row, now = started.row, job_store.load(started.name, "status", "attempt", "started_at", "connection_id")
        if not now or (now["status"], now["connection_id"]) != (JobStatus.RUNNING, row["connection_id"]):
            return None
        return started if (now["attempt"], now["started_at"]) == (row["attempt"], row["started_at"]) else None
