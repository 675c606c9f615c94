"""Settles an attempt: writes its end to the job, the row of the attempt and the history."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import frappe
from frappe import _

from ..errors import InvalidJobError, JobCanceledError, JobTimeoutError, PermanentError, TransientError
from ..job import cancel_lock, history, job_store, runs
from ..job.runs import RunStart
from ..lib import canonical, clock, config, connection, ids, server_errors, sql
from ..lib.config import RetryPolicy
from ..lib.row_types import Columns
from ..lib.secret_texts import without_in
from ..line import claim
from ..line.claimed_job import ClaimedJob
from ..status import JobStatus
from . import outcome
from .context import JobContext
from .outcome import Outcome


class Settlement:
    """The settle of one attempt.

    `entry_id`: RQ's id of the entry under which the process runs. `started`: when the attempt's time began to run, as
    `time.monotonic()`.
    """

    def __init__(self, job: ClaimedJob, context: JobContext, entry_id: str, started: float):
        self._job, self._context, self._started = job, context, started
        self.run = ids.run_name(job.name, job.attempt)
        """Name of the attempt's row."""
        self.connection_id = sql.this_connection()
        self.start: RunStart = {
            "background_job": job.name,
            "attempt": job.attempt,
            "worker": claim.worker_name(),
            "rq_job_id": entry_id,
            "connection_id": self.connection_id or 0,
            "started_at": job.row["started_at"],
        }
        """Columns that the row has from the beginning on."""

    def save_checkpoint(self, data: Any) -> None:
        """Commit the work so far together with `data`. See `JobContext.checkpoint`."""
        try:
            text = canonical.storage_json(data, "checkpoint")
        except InvalidJobError as error:
            raise PermanentError(str(error)) from error
        plain = canonical.load(text) if self._context.secrets else None
        if plain != without_in(plain, self._context.secrets):
            raise PermanentError(_("A checkpoint can't hold a secret parameter."))
        if self._context.remaining_seconds() <= 0:
            raise JobTimeoutError(_("The time limit was reached."))
        if not job_store.is_current(self._job.name, self._job.attempt):
            raise JobCanceledError(_("This attempt was overtaken by another one."))
        runs.save_state(self.run, text, self._context.files.index(), self.start)
        self._context.files.keep()  # before the commit: an error in it may hide that it is done
        frappe.db.commit()

    def save_files(self) -> None:
        """Write the index of the files again, with those that a clean-up has made after the settle."""
        if index := self._context.files.index():
            runs.write(self.run, {"sealed_files": index})

    def write(self, end: Outcome, log: list[history.Event], *, has_row: bool) -> bool:
        """Write the end to job and run row. False if this attempt was overtaken (invariant I4). Does not commit.

        Adds the events of the job's history to `log`. `has_row`: whether the attempt's heartbeat has made its row.
        Raises JobCanceledError if the job was canceled by now, whatever else became of it.
        """
        duration = time.monotonic() - self._started
        if not self._transition(end, duration, log):
            return False
        values = self._end_columns(end, duration)
        runs.settle(self.run, values, is_canceled=end.status == JobStatus.CANCELED, exists=has_row)
        return True

    def _transition(self, end: Outcome, duration: float, log: list[history.Event]) -> bool:
        progress = self._context.progress
        move = partial(
            job_store.transition,
            self._job.row,
            end.status,
            end.message,
            values={"progress": progress.percent, "progress_message": progress.message or None, **end.values},
            actor=end.values.get("canceled_by") or config.ENGINE,
            duration=duration,
            worker=claim.worker_name(),
            log=log,
        )
        if move(unless_locked=cancel_lock.lock_of(self._job.row)):
            return True
        cancel_lock.await_decision(self._job.row)  # or the attempt was overtaken, and the lock is free
        return move()

    def _end_columns(self, end: Outcome, duration: float) -> Columns:
        return {
            **self.start,
            "outcome": str(end.of_attempt),
            "ended_at": clock.site_time(),
            "duration": duration,
            "progress": end.values.get("progress", self._context.progress.percent),
            "progress_message": self._context.progress.message or None,
            "steps": self._context.progress.steps_json(),
            "log_lines": self._context.lines.as_json(),
            "error_message": end.error,
            "traceback": (end.traceback or "")[-runs.TRACEBACK_LENGTH :] or None,
            "sealed_files": self._context.files.index(is_completed=end.of_attempt == JobStatus.COMPLETED),
            "lease_expires_epoch": 0,
            **outcome.circuit_sample(self._job.row, end),
        }

    def outcome_of(self, error: BaseException) -> Outcome:
        """The outcome of an error, even if it can't be inspected or the Job Type's rules can't be read."""
        if isinstance(error, JobCanceledError):
            return self.canceled()
        row = self._job.row
        try:
            return outcome.failure(row, error, config.retry_policy(row["job_type"]), self._context.secrets)
        except Exception as another:
            if server_errors.database_code(another) is not None:
                raise
            trace = outcome.traceback_of(another, self._context.secrets)
            frappe.logger("dartwing_core").error(f"{self._job.name}: its error can't be classified\n{trace}")
            return outcome.failure(row, TransientError(type(error).__name__), RetryPolicy())

    def canceled(self) -> Outcome:
        """The outcome of an attempt that a user has canceled."""
        request = runs.cancel_request(self.run)
        return outcome.canceled(*(request["canceled_by"], request["cancel_reason"]) if request else (None, None))

    def is_committed(self) -> bool:
        """Whether this attempt has completed the job. For a transaction that may have broken off in its commit."""
        connection.discard()
        now = job_store.load(self._job.name, "status", "attempt")
        return now is not None and (now["status"], now["attempt"]) == (JobStatus.COMPLETED, self._job.attempt)
