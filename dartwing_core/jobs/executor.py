"""RQ entry point, and the loop of a process: it claims a job whose turn it is, runs it, settles it, and goes on.

The handler runs in the worker's main thread under RQ's own class for time limits (invariant I8), which RQ's parent
outlasts. No error here reaches Frappe's `execute_job`: it would run the job again as Administrator, or tell RQ what
only the row may say.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import frappe
from frappe import _
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from .after import follow_up
from .errors import JobPutBackError
from .job import events, find
from .lib import connection, server_errors, sql
from .line import queue_view
from .line.claim import ClaimedJob, Claimer
from .rq import doorbells
from .run import between, outcome
from .run.attempt import Attempt, HandlerEnd
from .run.heartbeat import HeartbeatThread
from .sweep import agent

SHARED_SECONDS = 0.1
"""Length of a slice, or one job, while an entry of another app or site may be its worker's next."""
LINGER_SECONDS, LINGER_PAUSE = 0.05, 0.004
"""A process that finds no job in line waits so long for the next one, and checks so often. A fork takes longer than a
short job: a job submitted 5 ms after the end of another one starts in 8 ms instead of 30."""
RELEASE_SECONDS = 0.25
"""While a process has jobs to run, it looks so often whether others have waited for those that have ended."""


def execute_job(background_job: str, attempt: int) -> None:
    """RQ entry point, named by entries that ring for a job.

    In a worker: run jobs whose turn it is. Elsewhere: make this attempt, unless it was made or overtaken.
    """
    try:
        entry = doorbells.accept_entry()
        if entry is None:
            run_one(background_job, int(attempt))
        else:
            # RQ's alarm of the entry ends here, as RQ ends it. Each job has its own.
            UnixSignalDeathPenalty(0, JobTimeoutException).cancel_death_penalty()
            killed_at = time.monotonic() + entry.timeout + find.OVERTIME if entry.timeout > 0 else float("inf")
            Loop(Claimer(ends_at=killed_at, entry=entry), entry).run(background_job, int(attempt))
    except Exception:
        # The row still says Queued or Running, so the sweeper goes on with it.
        frappe.logger("dartwing_core").exception(f"{background_job}, attempt {attempt}: left to the sweeper")
        connection.discard()


def run_one(name: str, attempt: int) -> None:
    """Make one attempt of one job, outside of workers without a time limit. Frappe's context is then what it was."""
    Loop(Claimer()).run(name, attempt)


class Loop:
    """Runs one job after another in this process: claim, run, settle, next.

    The process holds one attempt at a time, from the commit that starts it to the commit that ends it. `entry`: that of
    a worker, whose jobs have time limits, and who goes on with the next job.
    """

    def __init__(self, claimer: Claimer, entry: doorbells.Entry | None = None):
        self._context = between.Context()  # first, since the engine has cached nothing yet
        self._claimer, self._entry = claimer, entry
        self._heartbeat = HeartbeatThread(agent.stand_in)
        self._began = self._released_at = time.monotonic()
        self.attempt: Attempt | None = None
        """The attempt that the process holds."""
        self._ended: list[Attempt] = []
        """Attempts after which other jobs may go on."""

    def run(self, name: str, attempt: int) -> None:
        """Run jobs until there are none, or the slice is over. Outside of a worker, make this attempt of this job."""
        with events.gathering() if self._entry else nullcontext():
            self._run(name, attempt)
        sql.best_effort(agent.sweep_if_overdue)

    def _run(self, name: str, attempt: int) -> None:
        try:
            self.hold(self._claim_first(name, attempt))
            if self.attempt and self._entry and self.attempt.job.row["queue"] != self._entry.queue:
                sql.best_effort(queue_view.ring_for_line)  # others of the entry's queue may have been rung in vain
            while self.attempt:
                self.step(self.attempt)
        except BaseException:
            self._context.restore()
            raise
        finally:
            self.end()

    def step(self, attempt: Attempt) -> None:
        """Run the job of the attempt that the process holds, settle it, and hold the next one, if there is one."""
        end = attempt.run(self._limit)
        may_go_on = self._heartbeat.release() and self._may_go_on(attempt)
        self._settle(attempt, end, may_share=may_go_on)
        self._clear_up(attempt)
        if self.attempt:
            sql.best_effort(partial(self._claimer.renew_view, time.monotonic() - attempt.started))
        elif self._entry and may_go_on and attempt.end and self._may_go_on(attempt):
            events.send_now()
            self.hold(self._claim(self._entry))

    def hold(self, job: ClaimedJob | None) -> None:
        """Keep this started job alive from now on, until its handler has ended."""
        self.attempt = Attempt(job) if job else None
        if self.attempt:
            self._heartbeat.hold(self.attempt.heartbeat)

    def end(self) -> None:
        """End the process's work: put back what it holds, and wake workers for the jobs that are left in line."""
        self._heartbeat.end()
        if self.attempt:
            error = JobPutBackError(_("The process has ended before the job began."))
            sql.best_effort(partial(self.attempt.fail, error))
        self._release_waiting()
        sql.best_effort(self._ring)

    # Settle -----------------------------------------------------------------------------------------------------------

    def _settle(self, attempt: Attempt, end: HandlerEnd, *, may_share: bool) -> None:
        """Commit the end with the handler's writes (I5). The commit of a success may also start the next job."""
        self.attempt, next_job = None, None
        try:
            if end.error is None and (event := attempt.complete(end.result)):
                next_job = self._start_next(attempt) if may_share else None
                attempt.commit([event, next_job.start] if next_job and next_job.start else [event])
        except BaseException as raised:
            end.error = raised
            attempt.find_out(raised)
        if attempt.end:
            self.hold(next_job)
        elif end.error:
            attempt.fail(end.error)
        # Its traceback holds this frame: all that the handler has had would stay in memory.
        error, end.error = end.error, None
        if error and not isinstance(error, Exception):
            # SystemExit, KeyboardInterrupt: the worker is going down, the job is not.
            raise (outcome.without_text(error) if attempt.context.secrets else error) from None

    def _start_next(self, attempt: Attempt) -> ClaimedJob | None:
        """Start the next job in the commit of this success, unless something follows it that may take long or fail.

        The claim's own errors are left to another look, unless they undo what is written.
        """
        if attempt.is_function or between.has_callbacks():
            return None
        try:
            return self._claimer.start_next()
        except Exception as error:
            if server_errors.database_code(error) is not None:  # the job that has ended is not to blame
                raise JobPutBackError(_("The claim of the next job has ended the transaction.")) from error
            frappe.logger("dartwing_core").exception("The next job was left to another look")
            return None

    # Between two jobs -------------------------------------------------------------------------------------------------

    def _clear_up(self, attempt: Attempt) -> None:
        """Get ready for the next job: see the contract in `docs/writing_handlers.md`. Then follow up."""
        between.call_after_job(attempt.job)
        self._context.restore()
        if self._entry and not attempt.has_clean_connection:
            connection.renew()
        follow_up.tell_circuit(attempt)
        if self._entry:
            follow_up.requeue_if_due(attempt)
        self._ended.append(attempt)
        is_time = time.monotonic() - self._released_at >= RELEASE_SECONDS
        if not self.attempt or is_time:
            self._release_waiting()

    def _release_waiting(self) -> None:
        """Let the jobs go on that have waited for those that have ended, and close batches."""
        ended, self._ended, self._released_at = self._ended, [], time.monotonic()
        sql.best_effort(partial(follow_up.release_waiting, ended))

    def _may_go_on(self, attempt: Attempt) -> bool:
        """Whether this process is to run another job after this one."""
        is_last = attempt.job.is_alone or self._context.has_grown()
        if self._entry is None or is_last or self._claimer.needs_entry:
            return False
        self._entry.refresh()
        longest = SHARED_SECONDS if self._entry.is_awaited else float("inf")
        seconds = min(attempt.job.settings.slice_seconds, longest)
        return not self._entry.is_worker_ending and time.monotonic() < self._began + seconds

    def _limit(self, seconds: int, name: str) -> AbstractContextManager[Any]:
        return UnixSignalDeathPenalty(seconds, JobTimeoutException, job_id=name) if self._entry else nullcontext()

    # Claims and doorbells ---------------------------------------------------------------------------------------------

    def _claim_first(self, name: str, attempt: int) -> ClaimedJob | None:
        if self._entry is None:
            return self._claimer.claim_named(name, attempt)
        if job := self._claimer.claim_lone(name, attempt):
            return job
        self._entry.refresh()  # which queues its worker serves
        return self._claimer.claim_next()

    def _claim(self, entry: doorbells.Entry) -> ClaimedJob | None:
        """Claim the next job, also one that gets in line while the process waits a moment."""
        taken, ends_at = self._claimer.claim_next(), time.monotonic() + LINGER_SECONDS
        while self._claimer.found_nobody and time.monotonic() < ends_at:
            time.sleep(LINGER_PAUSE)
            entry.refresh_now()
            if entry.is_awaited or entry.behind or entry.is_worker_ending:
                break
            if entry.is_rung:
                taken = self._claimer.claim_next()
        return taken

    def _ring(self) -> None:
        """Wake workers for the jobs that are left in line."""
        if self._entry is None:
            return
        # A process that has run no job gives no way: the job that it can't run would be put back again and again.
        gives_way = self._entry.behind and not self._claimer.is_first
        if gives_way:
            doorbells.give_way(self._entry)
        if self._claimer.needs_entry:
            doorbells.ring_first(self._claimer.needs_entry, self._entry.queue)
        # If nobody was found, later jobs ring for themselves. A freed slot may let others start.
        if gives_way or not self._claimer.found_nobody:
            queue_view.ring_for_line()
