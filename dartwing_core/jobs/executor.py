"""RQ entry point: a work-horse claims jobs whose turn it is, one after the other, for a slice of time.

The handler runs in the worker's main thread (invariant I8). The entry's own job runs under RQ's time limit as it is.
Other jobs run under RQ's own class for time limits, which RQ's parent outlasts. No error here reaches Frappe's
`execute_job`: it would run the job again as Administrator, or tell RQ what only the row may say.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from datetime import timezone
from functools import partial
from typing import Any

import frappe
from rq import get_current_job
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from .after import after_settle
from .job import find
from .lib import best_effort, clock, config, connection, ids
from .line import wake
from .line.claim import ClaimedJob, Claimer
from .rq import doorbells, leader
from .run import between
from .run.attempt import Attempt
from .run.heartbeat import HeartbeatThread
from .sweep import agent, sweeper

SHARED_SECONDS = 0.1
"""Length of a slice, or one job, while entries of other apps or sites wait for its worker."""
LINGER_SECONDS, LINGER_PAUSE = 0.05, 0.004
"""A process that finds no job in line waits so long for the next one, and checks so often. A fork takes longer than a
short job: a job submitted 5 ms after the end of another one starts in 8 ms instead of 30."""


def execute_job(background_job: str, attempt: int) -> None:
    """RQ entry point, named by entries that ring for a job.

    In a worker: claim jobs whose turn it is. Elsewhere: make this attempt, unless it was made or overtaken.
    """
    try:
        entry = doorbells.accept_entry()
        if entry is None:
            run_one(background_job, int(attempt))
        else:
            Slice(entry, background_job, int(attempt)).run()
    except Exception:
        # The row still says Queued or Running, so the sweeper goes on with it.
        frappe.logger("dartwing_core").exception(f"{background_job}, attempt {attempt}: left to the sweeper")
        connection.discard()


def run_one(name: str, attempt: int) -> None:
    """Make one attempt of one job. Frappe's context is then what it was before."""
    job = Claimer().claim_named(name, attempt)
    if not job:
        return
    context, heartbeat_thread = between.Context(), HeartbeatThread(agent.StandIn())
    made = Attempt(job, ids.run_name(name, attempt), time.monotonic(), heartbeat_thread)
    try:
        made.make()
    finally:
        heartbeat_thread.end()
        context.restore()
    after_settle.follow_up(made)
    best_effort.run(sweeper.sweep_now_and_then)


class Slice:
    """The work of a process under one entry."""

    def __init__(self, entry: doorbells.Entry, named_job: str, named_attempt: int):
        self._context = between.Context()  # first, since the engine has cached nothing yet
        self._entry, self._named = entry, (named_job, named_attempt)
        self._began = started_monotonic()
        self._swept_at = self._began
        self._seconds = config.settings().slice_seconds
        killed_at = self._began + entry.timeout + find.OVERTIME if entry.timeout > 0 else float("inf")
        self._claimer = Claimer(entry.queues, killed_at, entry.id, entry.workers)

    def run(self) -> None:
        """Claim and run jobs until there are none, or the slice is over."""
        heartbeat_thread = HeartbeatThread(agent.StandIn())
        try:
            with config.keeping():
                self._run(heartbeat_thread)
        finally:
            heartbeat_thread.end()
            best_effort.run(self._ring)
        best_effort.run(sweeper.sweep_now_and_then)

    def _run(self, heartbeat_thread: HeartbeatThread) -> None:
        job = self._claim()
        if job and job.row["queue"] != self._entry.queue:
            best_effort.run(wake.wake_for_line)  # other workers of the entry's queue may have been rung in vain
        is_first = True
        while job:
            is_named = is_first and (job.name, job.attempt) == self._named
            attempt = Attempt(job, self._entry.id, self._began if is_named else time.monotonic(), heartbeat_thread)
            next_job = self._make(attempt, is_named)
            if not next_job and self._must_sweep:
                best_effort.run(sweeper.sweep_now_and_then)
                self._swept_at = time.monotonic()
            # The process gets ready for the next job: see the contract in `docs/writing_handlers.md`.
            between.call_after_job(job)
            self._context.restore()
            if not attempt.has_clean_connection:
                connection.renew()
            after_settle.follow_up(attempt, is_hurried=next_job is not None)
            after_settle.requeue_if_due(attempt)
            if next_job:  # which may take as long as this one
                best_effort.run(partial(self._claimer.renew_view, time.monotonic() - attempt.started))
            elif self._may_go_on(attempt):
                next_job = self._claim(may_linger=True)
            job, is_first = next_job, False

    def _make(self, attempt: Attempt, is_named: bool) -> ClaimedJob | None:
        """Make the attempt under its time limit. Returns the next job if the settle has claimed it."""
        limit: AbstractContextManager[Any] = nullcontext()
        if not is_named:
            limit = UnixSignalDeathPenalty(
                attempt.context.timeout_seconds, JobTimeoutException, job_id=attempt.job.name
            )
        claimer = self._claimer if self._may_go_on(attempt) and not self._must_sweep else None
        next_job = None
        try:
            with limit:
                next_job = attempt.make(claimer, self._context, is_named=is_named)
        except JobTimeoutException as error:
            if attempt.end is None and not attempt.was_overtaken:  # else it struck when all was done
                attempt.fail(error)
        finally:
            # As RQ ends its own, which may then end it again: the engine's work between two jobs has none.
            UnixSignalDeathPenalty(0, JobTimeoutException).cancel_death_penalty()
        return next_job

    @property
    def _must_sweep(self) -> bool:
        """Whether to sweep before the next claim: a job that is claimed waits for no sweep. Nobody else may do it."""
        return time.monotonic() - self._swept_at >= leader.IN_PASSING

    def _may_go_on(self, attempt: Attempt) -> bool:
        """Whether this process is to run another job after this one."""
        # The process of an attempt that was overtaken may just be stopped for that.
        is_last = attempt.job.is_alone or attempt.was_overtaken or not attempt.heartbeat.has_ended
        if is_last or self._context.has_grown():
            return False
        self._entry.refresh()
        seconds = min(self._seconds, SHARED_SECONDS) if self._entry.is_awaited else self._seconds
        is_over = self._entry.is_worker_ending or time.monotonic() >= self._began + seconds
        return not is_over and not self._claimer.needs_entry

    def _claim(self, *, may_linger: bool = False) -> ClaimedJob | None:
        """Claim the next job, also one that gets in line while the process waits a moment."""
        taken, ends_at = self._claimer.claim_next(), time.monotonic() + LINGER_SECONDS
        while may_linger and self._claimer.found_nobody and time.monotonic() < ends_at:
            time.sleep(LINGER_PAUSE)
            self._entry.refresh_now()
            if self._entry.is_awaited or self._entry.is_worker_ending:
                break
            if self._entry.is_rung:
                taken = self._claimer.claim_next()
        return taken

    def _ring(self) -> None:
        """Wake workers for the jobs that are left in line."""
        if self._claimer.needs_entry:
            doorbells.ring_first(self._claimer.needs_entry, self._entry.queue)
        if not self._claimer.found_nobody:  # later jobs ring for themselves; a freed slot may let others start
            wake.wake_for_line()


def started_monotonic() -> float:
    """When RQ's time limit began to run, as `time.monotonic()`. Now, if no RQ job is running.

    The claim is later: by its time, a handler that swallows RQ's exception would seem to be in time.
    """
    rq_job = get_current_job()
    if rq_job is None or rq_job.started_at is None:
        return time.monotonic()
    began = rq_job.started_at
    began = began.replace(tzinfo=timezone.utc) if began.tzinfo is None else began  # naive before RQ 2.2
    return time.monotonic() - (clock.now_epoch() - began.timestamp())
