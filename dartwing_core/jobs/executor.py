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
from rq.timeouts import BaseTimeoutException, JobTimeoutException, UnixSignalDeathPenalty

from .after import after_settle
from .job import events, history
from .lib import best_effort, clock, config, connection, ids, sql
from .line import claim, wake
from .line.claim import Claimer
from .line.claimed_job import ClaimedJob
from .rq import doorbells
from .run import isolation, job_hooks, process_state
from .run.attempt import Attempt
from .run.heartbeat import HeartbeatThread
from .sweep import agent, sweeper

SHARED_SECONDS = 0.1
"""Length of a slice, or one job, while entries of other apps or sites wait for its worker."""
LINGER_SECONDS, LINGER_PAUSE = 0.05, 0.004
"""A process that finds no job in line waits so long for the next one, and checks so often. A fork takes longer than a
short job, and jobs that are submitted one by one would each need one."""
LATE_SECONDS = 1.0
"""A job that begins so long after its claim may have been given to another worker."""
AFTER_LIMIT = 60.0
"""Seconds after an entry's time limit at which RQ's parent kills the work-horse."""


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
    """Make one attempt of one job, which leaves nothing behind in `frappe.local` or on the connection."""
    job = Claimer().claim_named(name, attempt)
    if not job:
        return
    heartbeat_thread = HeartbeatThread(agent.StandIn())
    made = Attempt(job, heartbeat_thread, isolation.Session(), ids.run_name(name, attempt), time.monotonic())
    try:
        with isolation.cleared():
            made.make()
    finally:
        heartbeat_thread.end()
    after_settle.follow_up(job, time.monotonic() - made.started, made.end)
    after_settle.run_step(sweeper.sweep_now_and_then)


class Slice:
    """The work of a process under one entry."""

    def __init__(self, entry: doorbells.Entry, named_job: str, named_attempt: int):
        self._context = isolation.Context(keeps_caches=True)  # first, since the engine has cached nothing yet
        self._process = process_state.Process()
        self._entry, self._named = entry, (named_job, named_attempt)
        self._began = started_monotonic()
        seconds = config.settings().slice_seconds
        self._ends_at = self._began + seconds
        killed_at = self._began + entry.timeout + AFTER_LIMIT if entry.timeout > 0 else float("inf")
        self._claimer = Claimer(entry.queues, killed_at, entry.id, entry.workers)
        self._is_first = True
        self._may_go_on = seconds > 0
        self._found_nobody = self._had_caps = False
        self._claimed_at = 0.0

    def run(self) -> None:
        """Claim and run jobs until there are none, the slice is over, or a handler has changed the process."""
        heartbeat_thread = HeartbeatThread(agent.StandIn())
        try:
            with config.keeping():
                self._run(heartbeat_thread)
        finally:
            heartbeat_thread.end()
            best_effort.run(self._ring)
        after_settle.run_step(sweeper.sweep_now_and_then)

    def _run(self, heartbeat_thread: HeartbeatThread) -> None:
        job = self._claim()
        if job and job.row["queue"] != self._entry.queue:
            best_effort.run(wake.wake_for_line)  # other workers of the entry's queue may have been rung in vain
        while job:
            is_own, self._is_first = self._is_first and (job.name, job.attempt) == self._named, False
            session = isolation.Session()
            refusal = None if is_own else self._call_hooks_before(job, session)
            if not self._is_in_time(job):
                return
            self._context.follow_database()  # the claim or a hook may have connected anew
            started = self._began if is_own else time.monotonic()
            self._made = Attempt(job, heartbeat_thread, session, self._entry.id, started, self._claim_with_settle)
            self._made.refusal = refusal
            self._make(is_own)
            job = self._next()

    def _call_hooks_before(self, job: ClaimedJob, session: isolation.Session) -> Exception | None:
        """Call other apps' hooks for a job that the entry does not name, as Frappe has done for the one it names.

        Returns the error with which one of them refuses the job.
        """
        try:
            with session.watched():
                job_hooks.call_before_job(job.row)
        except BaseTimeoutException:  # of the entry: the job has not begun, and is left to the sweeper
            raise
        except Exception as error:
            sql.rollback()
            return error
        return None

    def _is_in_time(self, job: ClaimedJob) -> bool:
        """Whether the job still belongs to this process.

        Hooks of other apps may have taken so long that another worker has it, or have replaced its connection."""
        is_as_taken = job.row["connection_id"] == (sql.this_connection() or 0)
        return (is_as_taken and time.monotonic() - self._claimed_at < LATE_SECONDS) or claim.restart_lease(job.row)

    def _make(self, is_own: bool) -> None:
        """Make the attempt, and put back its changes of context and process."""
        made, job = self._made, self._made.job
        self._may_go_on = self._may_go_on and not job.is_alone
        try:
            with self._time_limit(job, is_own):
                made.make()
        except JobTimeoutException:  # between the settle and the end of the time limit
            self._may_go_on = False
        finally:
            _end_time_limit()  # also RQ's own: the engine's work between two jobs has none
            try:
                with made.session.watched():
                    best_effort.run(partial(job_hooks.call_after_job, job.row))
            finally:
                self._context.restore()
                self._process.restore()
        if made.session.is_changed and (made.has_left_nothing or made.next_job):
            connection.renew()
            made.session.is_renewed = True
        after_settle.follow_up(job, time.monotonic() - made.started, made.end)
        after_settle.requeue_if_due(job, made.end)

    def _next(self) -> ClaimedJob | None:
        """The job after this one, claimed with its settle or now."""
        made = self._made
        if made.next_job and made.end:
            self._may_go_on = self._may_go_on and made.has_left_nothing
            return made.next_job
        self._claimer.outdate_after(time.monotonic() - self._claimed_at)
        return self._claim() if self._goes_on() else None

    def _claim(self) -> ClaimedJob | None:
        """Claim the next job, also one that gets in line while the process waits a moment."""
        taken, ends_at = self._claim_now(), time.monotonic() + LINGER_SECONDS
        while taken is None and self._may_linger() and time.monotonic() < ends_at:
            time.sleep(LINGER_PAUSE)
            self._entry.refresh_now()
            if self._entry.is_rung and self._may_linger():
                taken = self._claim_now()
        return taken

    def _may_linger(self) -> bool:
        is_wanted = self._entry.is_awaited or self._entry.is_worker_ending or time.monotonic() >= self._ends_at
        return self._found_nobody and self._may_go_on and not is_wanted

    def _claim_now(self) -> ClaimedJob | None:
        taken = self._claimer.claim_next()
        self._claimed_at = time.monotonic()
        # Later jobs ring for themselves. A freed slot may let a job of another queue start.
        self._found_nobody = taken is None and not self._claimer.needs_entry and not self._had_caps
        self._had_caps = self._had_caps or bool(taken and taken.caps)
        return taken

    def _time_limit(self, job: ClaimedJob, is_own: bool) -> AbstractContextManager[Any]:
        if is_own:
            return nullcontext()
        return UnixSignalDeathPenalty(job.row["timeout_seconds"], JobTimeoutException, job_id=job.name)

    def _claim_with_settle(self, log: list[history.Event]) -> ClaimedJob | None:
        job = self._made.job
        is_followed = job.has_children or job_hooks.has_left_something()
        if is_followed or self._made.session.is_changed or not self._goes_on():
            return None  # the follow-up of this job may take long, and the next one's lease would run
        self._claimer.outdate_after(time.monotonic() - self._claimed_at)
        began = max(self._claimed_at, self._made.renewed_at)
        taken = self._claimer.claim_with_settle(log, time.monotonic() - began)
        self._claimed_at = time.monotonic()
        if taken:
            events.add_to_pipeline(self._entry.refresh_in_pipeline)
            self._had_caps = self._had_caps or bool(taken.caps)
        return taken

    def _goes_on(self) -> bool:
        """Whether this process is to run another job."""
        is_the_same = self._made.has_left_nothing and self._process.is_as_it_was()
        self._may_go_on = self._may_go_on and is_the_same and not self._is_over()
        return self._may_go_on

    def _is_over(self) -> bool:
        """Whether the slice is over. While others wait for this worker, it is over sooner."""
        if self._claimer.needs_entry:
            return True
        self._entry.refresh()
        ends_at = min(self._ends_at, self._began + SHARED_SECONDS) if self._entry.is_awaited else self._ends_at
        return self._entry.is_worker_ending or time.monotonic() >= ends_at

    def _ring(self) -> None:
        """Wake workers for the jobs that are left in line."""
        if self._claimer.needs_entry:
            doorbells.ring_first(self._claimer.needs_entry, self._entry.queue)
        if not self._found_nobody:
            wake.wake_for_line()


def _end_time_limit() -> None:
    """End the time limit as RQ ends its own, which may then end it again."""
    UnixSignalDeathPenalty(0, JobTimeoutException).cancel_death_penalty()


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
