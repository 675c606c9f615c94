"""Runs one attempt of one job inside a Frappe worker.

Claim, run as the owner, settle. The worker's own time limit (RQ's) is the only one; the handler runs in the
main thread (invariant I8). Nothing that happens here reaches Frappe's `execute_job` as an error: it would run the
job again as Administrator, or tell RQ what only the row may say.
"""

from __future__ import annotations

import os
import time
from datetime import timezone
from functools import partial
from typing import Any

import frappe
from frappe import _
from frappe.utils import get_system_timezone
from rq import get_current_job

from . import (
    cancel,
    canonical,
    circuits,
    claim,
    clock,
    config,
    connection,
    followup,
    handlers,
    ids,
    leftovers,
    outcome,
    parents,
    permission,
    runs,
    sql,
    store,
)
from .config import RetryPolicy
from .context import JobContext
from .errors import InvalidJobError, JobCanceledError, JobTimeoutError, PermanentError, TransientError
from .heartbeat import Heartbeat
from .outcome import Outcome
from .status import JobStatus
from .transaction import TransactionWatch


def execute_job(background_job: str, attempt: int) -> None:
    """RQ entry point: make attempt number `attempt` of the job, unless it was made or overtaken already."""
    try:
        run_one(background_job, int(attempt))
    except Exception:
        # The row still says Queued or Running; the sweeper takes it from there.
        frappe.logger("dartwing_core").exception(f"{background_job}, attempt {attempt}: left to the sweeper")
        connection.discard()


def run_one(name: str, attempt: int) -> None:
    """One attempt, which leaves nothing behind in `frappe.local` or on the connection."""
    job = claim.claim(name, attempt)
    if job is None:
        return
    attempt_made = Attempt(job)
    with leftovers.cleared():
        attempt_made.make()
    followup.after(job, time.monotonic() - attempt_made.started, attempt_made.end)


class Attempt:
    """A claimed attempt: runs the handler and settles the job."""

    def __init__(self, job: dict[str, Any]):
        self.job = job
        self.run = ids.run_name(job["name"], job["attempt"])
        self.pid = os.getpid()
        self.started = started_monotonic()
        self.context = JobContext(
            job_id=job["name"],
            job_type=job["job_type"],
            organization=job["organization"],
            parameters={},
            timeout_seconds=job["timeout_seconds"],
            attempt=job["attempt"],
            owner_user=job["owner_user"],
            time_zone=job["owner_time_zone"] or get_system_timezone(),
            batch_id=job["parent_batch"] or job["callback_of"],
            started=self.started,
        )
        self.context.save_checkpoint = self._save_checkpoint
        self.context.load_parent_results = lambda: parents.results(job)
        self.connection_id = sql.this_connection()
        self.watch = TransactionWatch()
        self.heartbeat: Heartbeat | None = None
        self.end: Outcome | None = None
        """How it has settled; None before that, and if another attempt was there first."""

    def make(self) -> None:
        """Run the handler to its end and settle, whatever that end is."""
        try:
            result = self._run_handler()
            self._succeed(result)
        except Exception as error:
            self._fail(self._in_truth(error))
        except BaseException as error:
            # SystemExit, KeyboardInterrupt: the worker is going down, the job is not.
            self._fail(error)
            raise

    def _in_truth(self, error: Exception) -> Exception:
        """What ended the attempt: a handler may have made something else of RQ's exception (invariant I9)."""
        says_it_itself = outcome.is_timeout(error) or isinstance(error, JobCanceledError)
        if says_it_itself or self.context.remaining_seconds() > 0:
            return error
        timeout = JobTimeoutError(_("The time limit was reached."))
        timeout.__cause__ = error
        return timeout

    def _prepare(self) -> Heartbeat:
        self.context.parameters = canonical.load(self.job["input_parameters"]) or {}
        if self.job["attempt"] > 1:
            self.context.state = canonical.load(runs.latest_state(self.job["name"]))
        return Heartbeat(self.context, {"name": self.run, **self._run_values()})

    def _run_handler(self) -> Any:
        if not self.job["handler_method"]:
            raise PermanentError(_("Job Type {0} does not exist any more.").format(self.job["job_type"]))
        frappe.set_user(self.job["owner_user"])
        frappe.local.lang = self.job["owner_language"] or frappe.local.lang
        permission.check_owner(self.job)
        self.heartbeat = self._prepare()
        site = leftovers.Site()
        with self.heartbeat, self.watch:
            try:
                return handlers.resolve(self.job["handler_method"])(self.context)
            finally:
                if os.getpid() != self.pid:
                    os._exit(1)  # a child that the handler has forked must not settle too, on its parent's connection
                site.come_back()

    def _succeed(self, result: Any) -> None:
        """The handler's writes and Completed in one commit (invariant I5)."""
        if self.context.remaining_seconds() <= 0:
            # The handler swallowed RQ's exception, or was deaf to it (invariant I9).
            raise JobTimeoutError(_("The time limit was reached."))
        if self.connection_id != sql.this_connection():
            raise TransientError(_("The database connection was replaced while the handler ran."))
        self.watch.check()
        settings = config.settings()
        end = outcome.success(result, self.context.progress.message, settings.max_result_bytes)
        if not self._settle(end):
            connection.discard()  # overtaken: what this attempt did must not stay (invariant I4)
            return
        try:
            frappe.db.commit()
        except BaseException as error:
            if not self._is_committed():
                raise
            frappe.logger("dartwing_core").warning(f"{self.job['name']}: a callback after its commit failed: {error!r}")
        self.end = end

    def _fail(self, error: BaseException) -> None:
        """The handler's writes are undone first; then outcome and retry schedule in one write (invariant I5)."""
        try:
            is_written = connection.retried(lambda: self._write_failure(error), undo_first=True)
        except Exception:
            # The time limit struck in here, which it does once, or the handler has made its session read only.
            connection.renew()
            is_written = connection.retried(lambda: self._write_failure(error), undo_first=True)
        if is_written and outcome.is_timeout(error):
            self._clean_up()

    def _clean_up(self) -> None:
        """The Job Type's own clean-up after a time limit, best effort, in a transaction of its own."""
        if not self.job["timeout_handler_method"]:
            return
        try:
            handlers.resolve(self.job["timeout_handler_method"])(self.context)
            frappe.db.commit()
        except Exception:
            frappe.logger("dartwing_core").exception(f"{self.job['name']}: the clean-up after its time limit failed")
            connection.discard()

    def _write_failure(self, error: BaseException) -> bool:
        """Whether the end was this attempt's to write."""
        end = self._outcome_of(error)
        try:
            is_written = self._settle(end)
        except JobCanceledError:
            sql.rollback()
            end = self._canceled()
            is_written = self._settle(end)
        if is_written:
            sql.commit()
            self.end = end
        else:
            sql.rollback()  # overtaken (invariant I4)
        return is_written

    def _outcome_of(self, error: BaseException) -> Outcome:
        """Also of an error that can't be looked at, or when the Job Type's rules can't be read."""
        if isinstance(error, JobCanceledError):
            return self._canceled()
        try:
            return outcome.failure(self.job, error, config.retry_policy(self.job["job_type"]))
        except Exception as another:
            if sql.database_code(another) is not None:
                raise
            frappe.logger("dartwing_core").exception(f"{self.job['name']}: its error can't be classified")
            return outcome.failure(self.job, TransientError(type(error).__name__), RetryPolicy())

    def _canceled(self) -> Outcome:
        request = runs.cancel_request(self.run) or {}
        return outcome.canceled(request.get("canceled_by"), request.get("cancel_reason"))

    def _settle(self, end: Outcome) -> bool:
        """Write the end to job and run row; False if this attempt was overtaken (invariant I4). Does not commit.

        Raises JobCanceledError if somebody has canceled the job by now, whatever else became of it.
        """
        duration = time.monotonic() - self.started
        if not self._transition(end, duration):
            return False
        values = self._end_values(end, duration)
        runs.settle(self.run, values, is_canceled=end.status == JobStatus.CANCELED, exists=self._has_row())
        return True

    def _has_row(self) -> bool:
        return self.heartbeat is not None and self.heartbeat.began

    def _transition(self, end: Outcome, duration: float) -> bool:
        progress = self.context.progress
        move = partial(
            store.transition,
            self.job,
            end.status,
            end.message,
            values={"progress": progress.percent, "progress_message": progress.message or None, **end.values},
            actor=end.values.get("canceled_by") or config.ENGINE,
            duration=duration,
            worker=claim.worker_name(),
        )
        if move(unless_locked=cancel.lock_of(self.job)):
            return True
        cancel.await_decision(self.job)  # or the attempt was overtaken, and nobody has that lock
        return move()

    def _save_checkpoint(self, data: Any) -> None:
        try:
            text = canonical.storage_json(data, "checkpoint")
        except InvalidJobError as error:
            raise PermanentError(str(error)) from error
        if self.context.remaining_seconds() <= 0:
            raise JobTimeoutError(_("The time limit was reached."))
        if not store.is_current(self.job["name"], self.context.attempt):
            raise JobCanceledError(_("This attempt was overtaken by another one."))
        runs.save_state(self.run, text, self._run_values())
        frappe.db.commit()

    def _is_committed(self) -> bool:
        connection.discard()
        now = store.load(self.job["name"], "status", "attempt") or {}
        return now.get("status") == str(JobStatus.COMPLETED) and now.get("attempt") == self.context.attempt

    def _run_values(self) -> dict[str, Any]:
        return {
            "background_job": self.job["name"],
            "attempt": self.job["attempt"],
            "worker": claim.worker_name(),
            "rq_job_id": self.run,
            "connection_id": self.connection_id or 0,
            "started_at": self.job["started_at"],
        }

    def _end_values(self, end: Outcome, duration: float) -> dict[str, Any]:
        return self._run_values() | {
            "outcome": str(end.of_attempt),
            "ended_at": clock.site_time(),
            "duration": duration,
            "progress": end.values.get("progress", self.context.progress.percent),
            "progress_message": self.context.progress.message or None,
            "steps": self.context.progress.steps_json(),
            "error_message": end.error,
            "traceback": (end.traceback or "")[-runs.TRACEBACK_LENGTH :] or None,
            "lease_expires_epoch": 0,
            **circuits.sample(self.job, end),
        }


def started_monotonic() -> float:
    """When RQ's time limit began to run, as `time.monotonic()`; now, if no RQ job is running.

    Not the claim's time, which is later: a handler that swallows RQ's exception would seem to be in time.
    """
    rq_job = get_current_job()
    if rq_job is None or rq_job.started_at is None:
        return time.monotonic()
    began = rq_job.started_at
    began = began.replace(tzinfo=timezone.utc) if began.tzinfo is None else began  # naive before RQ 2.2
    return time.monotonic() - (clock.now_epoch() - began.timestamp())
