"""One attempt of a job: runs the handler as the job's owner, and settles it, whatever its end is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import frappe
from frappe import _

from ..access import content, permission
from ..errors import InvalidJobError, JobCanceledError, JobPutBackError, JobTimeoutError, PermanentError, TransientError
from ..job import dependencies, events, find, history, record, runs
from ..job.runs import Outcome
from ..lib import canonical, clock, config, connection, ids, server_errors, sql
from ..lib.config import RetryPolicy
from ..lib.rows import Columns
from ..lib.texts import spellings, without_in
from ..line import claim
from ..line.claim import ClaimedJob
from ..status import JobStatus
from ..types import functions, handlers, parameters
from . import between, outcome
from .context import JobContext
from .heartbeat import Heartbeat

SETTLE_WAIT = 5
"""Seconds that a settle waits for a transaction that cancels the job. Then the attempt is undone, and tried again."""
TimeLimit = Callable[[int, str], AbstractContextManager[Any]]
"""Makes the time limit of a job: of so many seconds, for the job of this name."""


@dataclass
class HandlerEnd:
    """How the handler has ended: it has returned a result, or an error has ended it."""

    result: Any = None
    error: BaseException | None = None


class Attempt:
    """The attempt of a claimed job, which this process holds from the commit that starts it."""

    def __init__(self, job: ClaimedJob):
        self.job, self.started = job, time.monotonic()
        self.end: Outcome | None = None
        """The outcome with which it has settled. None before that, and if another attempt was first."""
        self._run_name = ids.run_name(job.name, job.attempt)
        self._parameters: str | None = None
        self._watch = connection.TransactionWatch()
        row = job.row
        self._start: Columns = {
            "background_job": job.name,
            "attempt": job.attempt,
            "worker": claim.worker_name(),
            "rq_job_id": row["rq_job_id"],
            "connection_id": row["connection_id"],
            "started_at": row["started_at"],
        }
        self.context = JobContext(
            job_id=row["name"],
            job_type=row["job_type"],
            organization=row["organization"],
            parameters={},
            timeout_seconds=row["timeout_seconds"],
            attempt=row["attempt"],
            owner_user=row["owner_user"],
            time_zone=job.time_zone or config.time_zone(),
            batch_id=row["parent_batch"] or row["callback_of"],
            reference=(row["reference_doctype"], row["reference_name"] or "") if row["reference_doctype"] else None,
            load_parent_results=partial(dependencies.results, row),
            save_checkpoint=self._save_checkpoint,
        )
        self.context.deadline = float("inf")  # until the handler begins
        self.heartbeat = Heartbeat(row, self.context, self._start, job.settings)

    @property
    def is_function(self) -> bool:
        """Whether it calls a function of `enqueue`, which was written for a process of its own."""
        return self.job.row["job_type"] == config.ENQUEUED

    @property
    def has_clean_connection(self) -> bool:
        """Whether the connection may serve the next job: the attempt is completed, on the connection of its start."""
        is_completed = self.end is not None and self.end.status == JobStatus.COMPLETED
        return is_completed and not self.is_function and self._has_kept_connection

    @property
    def _has_kept_connection(self) -> bool:
        return self._start["connection_id"] == (sql.this_connection() or 0)

    # The handler --------------------------------------------------------------------------------------------------

    def run(self, limit: TimeLimit) -> HandlerEnd:
        """Run the handler to its end, whatever that is. `limit`: makes a time limit of so many seconds.

        If the handler has returned in time, that is its end. Its transaction stays open.
        """
        end: HandlerEnd | None = None
        try:
            handler = self._prepare()
            self.context.begin()
            with self._watch, limit(self.context.timeout_seconds, self.job.name):
                end = self._call(handler)
        except BaseException as error:
            if end is None or not isinstance(error, Exception):
                end = HandlerEnd(error=self._actual_error(error))
        return end

    def _prepare(self) -> handlers.Handler:
        """Check that the job may run, and find its handler. Leaves the owner as the user."""
        job, user, job_type = self.job, self.job.row["owner_user"], self.job.job_type
        self._start["connection_id"] = sql.this_connection() or 0
        between.call_before_job(job)
        if job_type is None:
            raise PermanentError(_("Job Type {0} no longer exists.").format(job.row["job_type"]))
        if not job.standing().limits.may_start:
            raise JobPutBackError(_("The organization is paused or suspended."))
        frappe.set_user(user)
        frappe.local.lang = job.language or frappe.local.lang
        permission.check_owner(user, job.is_owner_enabled, job.standing(), job_type.requires_permission)
        self._parameters = content.parameters_of(job.row)
        self.context.parameters = canonical.load(self._parameters) or {}
        if job.attempt > 1:
            self.context.state = canonical.load(runs.latest_state(job.name))
        handler = functions.find_to_run(handlers.resolve, job_type.handler_method)
        secrets = parameters.secrets_of(handler, self.context.parameters)
        self.context.parameters |= secrets
        self.context.secrets = spellings([secret.get_secret_value() for secret in secrets.values()])
        return handler

    def _call(self, handler: handlers.Handler) -> HandlerEnd:
        process = os.getpid()
        frappe.flags.error_message = None  # the reason of a refusal, see outcome.describe
        setattr(frappe.local, config.ATTEMPT, self.context)
        try:
            result = parameters.call(handler, self.context, self._parameters)
            if self.context.remaining_seconds() <= 0:
                # The handler swallowed RQ's exception, or was deaf to it (invariant I9).
                raise JobTimeoutError(_("The time limit was reached."))
            return HandlerEnd(result)
        finally:
            if os.getpid() != process:
                os._exit(1)  # a child that the handler has forked must not settle too, on its parent's connection

    def _actual_error(self, error: BaseException) -> BaseException:
        """The error that ended the attempt. A handler may have replaced RQ's exception (invariant I9)."""
        says_it_itself = outcome.is_timeout(error) or isinstance(error, JobCanceledError)
        if says_it_itself or not isinstance(error, Exception) or self.context.remaining_seconds() > 0:
            return error
        timeout = JobTimeoutError(_("The time limit was reached."))
        timeout.__cause__ = error
        return timeout

    def _save_checkpoint(self, data: Any) -> None:
        """Commit the work so far together with `data`. See `JobContext.checkpoint`."""
        try:
            text = canonical.storage_json(data, "checkpoint")
        except InvalidJobError as error:
            raise PermanentError(str(error)) from error
        plain = canonical.load(text) if self.context.secrets else None
        if plain != without_in(plain, self.context.secrets):
            raise PermanentError(_("A checkpoint can't hold a secret parameter."))
        if self.context.remaining_seconds() <= 0:
            raise JobTimeoutError(_("The time limit was reached."))
        runs.write(self._run_name, {**self._start, "state": text, "sealed_files": self.context.files.index()})
        if not find.is_current(self.job.name, self.job.attempt, SETTLE_WAIT):
            connection.discard()  # a handler may catch the error and commit
            raise JobCanceledError(_("This attempt was overtaken by another one."))
        self.context.files.keep()  # before the commit: an error in it may hide that it is done
        frappe.db.commit()

    # The settle ---------------------------------------------------------------------------------------------------

    def complete(self, result: Any) -> history.Event | None:
        """Write the success in the handler's transaction (invariant I5). Returns the event, which the caller writes.

        None if another attempt was first: the handler's writes are undone then (invariant I4).
        """
        if not self._has_kept_connection:
            raise TransientError(_("The database connection was replaced while the handler ran."))
        self._watch.check()
        self._success = outcome.success(result, self.job.settings.max_result_bytes, self.context.secrets)
        try:
            event = self._write(self._success)
        except Exception as error:
            if server_errors.database_code(error) != server_errors.LOCK_WAIT_TIMEOUT:
                raise
            # The handler is not to blame: whoever cancels the job has not decided in time.
            raise JobPutBackError(_("Another transaction keeps the job locked.")) from error
        if not event:
            connection.discard()
            self.context.files.drop()
        return event

    def commit(self, events: Sequence[history.Event]) -> None:
        """Commit the success, with these events of the history."""
        history.write(events)
        between.commit()
        self.end = self._success

    def find_out(self, error: BaseException) -> None:
        """Find out whether the success is committed, although its transaction has ended by this error: ask the row."""
        left = list(frappe.db.after_commit._functions)
        now = connection.retried(partial(find.load, self.job.name, "status", "attempt"), undo_first=True)
        if not now or (now["status"], now["attempt"]) != (JobStatus.COMPLETED, self.job.attempt):
            return
        self.end = self._success
        sql.best_effort(lambda: sql.call_all(left))  # one that fails must not cost the others
        said = outcome.describe(error, self.context.secrets)
        frappe.logger("dartwing_core").warning(f"{self.job.name}: a callback after its commit failed: {said}")

    def fail(self, error: BaseException) -> None:
        """Undo the handler's writes, then write outcome and retry schedule at once (invariant I5)."""
        write = partial(self._write_failure, error)
        try:
            is_written = connection.retried(write, undo_first=True)
        except Exception as conflict:
            if server_errors.is_conflict(conflict):
                raise  # a transaction that cancels the job stays open: left to the sweeper
            connection.renew()  # the handler has made its session read only
            is_written = connection.retried(write, undo_first=True)
        if is_written and outcome.is_timeout(error):
            self._clean_up()

    def _write_failure(self, error: BaseException) -> bool:
        """Write the failure. Returns whether the end was this attempt's to write."""
        end = self._outcome_of(error)
        try:
            event = self._write(end)
        except JobCanceledError as canceled:
            sql.rollback()
            return self._write_failure(canceled)
        if event:
            history.write([event])
            sql.commit()
            self.end = end
        else:
            sql.rollback()  # invariant I4
        self.context.files.drop()
        return bool(event)

    def _write(self, end: Outcome) -> history.Event | None:
        """Write the end to run row and job. Returns the event, None if this attempt was overtaken (invariant I4).

        The run row comes first, as in a cancel: so one of the two waits for the other. Raises JobCanceledError if the
        attempt was asked to stop, whatever else became of it. Does not commit.
        """
        duration, progress = time.monotonic() - self.started, self.context.progress
        is_canceled = end.status == JobStatus.CANCELED
        runs.settle(self._run_name, self._run_columns(end, duration), is_canceled, SETTLE_WAIT)
        events.add_to_pipeline(self.heartbeat.publisher.add_start)
        return record.Job(self.job.row).end(
            end,
            progress=(progress.percent, progress.message),
            duration=duration,
            worker=self._start["worker"],
            job_type=self.job.job_type,
        )

    def _run_columns(self, end: Outcome, duration: float) -> Columns:
        progress = self.context.progress
        return {
            **self._start,
            "outcome": str(end.of_attempt),
            "ended_at": clock.site_time(),
            "duration": duration,
            "progress": 100 if end.status == JobStatus.COMPLETED else progress.percent,
            "progress_message": progress.message or None,
            "steps": progress.steps_json(),
            "log_lines": self.context.lines.as_json(),
            "error_message": end.error,
            "traceback": (end.traceback or "")[-runs.TRACEBACK_LENGTH :] or None,
            "sealed_files": self.context.files.index(is_completed=end.of_attempt == JobStatus.COMPLETED),
            "lease_expires_epoch": 0,
            **outcome.circuit_sample(self.job.row, end, self.job.job_type),
        }

    def _outcome_of(self, error: BaseException) -> Outcome:
        if isinstance(error, JobCanceledError):
            request = runs.cancel_request(self._run_name)
            return outcome.canceled(*(request["canceled_by"], request["cancel_reason"]) if request else (None, None))
        row = self.job.row
        try:
            policy = config.retry_policy(self.job.job_type, self.job.settings)
            return outcome.failure(row, error, policy, self.context.secrets)
        except Exception as another:  # it can't be inspected, or the Job Type's rules can't be read
            if server_errors.database_code(another) is not None:
                raise
            return outcome.failure(row, TransientError(type(error).__name__), RetryPolicy())

    def _clean_up(self) -> None:
        """Run the Job Type's own clean-up after a time limit: best effort, in a transaction of its own."""
        job_type = self.job.job_type
        if not (job_type and job_type.timeout_handler_method):
            return
        try:
            clean_up = handlers.resolve(job_type.timeout_handler_method)
            parameters.call(clean_up, self.context, self._parameters)
            if index := self.context.files.index():
                runs.write(self._run_name, {"sealed_files": index})
            frappe.db.commit()
        except Exception as error:
            trace = outcome.traceback_of(error, self.context.secrets)
            frappe.logger("dartwing_core").error(f"{self.job.name}: the clean-up after its time limit failed\n{trace}")
            connection.discard()
            self.context.files.drop()
