"""One attempt of a job: runs the handler as the job's owner, and settles it, whatever its end is."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

import frappe
from frappe import _

from ..access import content, permission
from ..errors import (
    InvalidJobError,
    JobCanceledError,
    JobPutBackError,
    JobTimeoutError,
    PermanentError,
    TransientError,
)
from ..job import dependencies, find, history, record, runs
from ..job.runs import Outcome
from ..lib import best_effort, canonical, clock, config, connection, ids, server_errors, sql
from ..lib.config import RetryPolicy
from ..lib.rows import Columns
from ..lib.secret_values import spellings, without_in
from ..line import claim
from ..line.claim import ClaimedJob, Claimer
from ..status import JobStatus
from ..types import handlers, parameters
from . import between, outcome
from .context import CURRENT, JobContext
from .heartbeat import Heartbeat, HeartbeatThread

SETTLE_WAIT = 5
"""Seconds that a settle waits for a transaction that cancels the job. Then the attempt is undone, and tried again."""


class Attempt:
    """The attempt of a claimed job.

    `entry_id`: RQ's id of the entry under which the process runs. `started`: when the attempt's time began to run, as
    `time.monotonic()`.
    """

    def __init__(self, job: ClaimedJob, entry_id: str, started: float, heartbeat_thread: HeartbeatThread):
        self.job, self.started = job, started
        self.end: Outcome | None = None
        """The outcome with which it has settled. None before that, and if another attempt was first."""
        self.was_overtaken = False
        """Whether another process has ended this attempt, or begun the next one."""
        self.run = ids.run_name(job.name, job.attempt)
        """Name of the attempt's row."""
        self._parameters: str | None = None
        self._watch = connection.TransactionWatch()
        self._connection_id = sql.this_connection()
        self._start: Columns = {
            "background_job": job.name,
            "attempt": job.attempt,
            "worker": claim.worker_name(),
            "rq_job_id": entry_id,
            "connection_id": self._connection_id or 0,
            "started_at": job.row["started_at"],
        }
        row = job.row
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
            started=started,
            load_parent_results=partial(dependencies.results, row),
            save_checkpoint=self._save_checkpoint,
        )
        self.heartbeat = Heartbeat(self.context, self.run, self._start, heartbeat_thread)

    @property
    def has_clean_connection(self) -> bool:
        """Whether the connection may serve the next job: the attempt is completed, on the connection of its start."""
        is_completed = self.end is not None and self.end.status == JobStatus.COMPLETED
        return is_completed and not self._is_function and self._connection_id == sql.this_connection()

    @property
    def _is_function(self) -> bool:
        """Whether it calls a function of `enqueue`, which was written for a process of its own."""
        return self.job.row["job_type"] == config.ENQUEUED

    def make(
        self, claimer: Claimer | None = None, context: between.Context | None = None, *, is_named: bool = True
    ) -> ClaimedJob | None:
        """Run the handler to its end and settle, whatever that end is.

        `claimer`: claims the next job, in the commit of a success where that is possible. Returns that job. `context`:
        knows whether the process has grown too much for another one.
        `is_named`: whether the entry of RQ names the job, so that Frappe has called the hooks `before_job`.
        """
        try:
            with config.passing_cache():
                result = self._run_handler(is_named)
                has_grown = context is not None and context.has_grown()
                return self._succeed(result, None if has_grown else claimer)
        except BaseException as error:
            failure = self._actual_error(error)
        try:  # out here: an error in it is logged without the handler's, which may tell secrets
            self.fail(failure)
            if not isinstance(failure, Exception):
                # SystemExit, KeyboardInterrupt: the worker is going down, the job is not.
                raise (outcome.without_text(failure) if self.context.secrets else failure) from None
            return None
        finally:
            del failure  # its traceback holds this frame: all that the handler has had would stay in memory

    # The handler --------------------------------------------------------------------------------------------------

    def _run_handler(self, is_named: bool) -> Any:
        job, user, job_type = self.job, self.job.row["owner_user"], self.job.job_type
        if job_type is None:
            raise PermanentError(_("Job Type {0} no longer exists.").format(job.row["job_type"]))
        with self.heartbeat:  # hooks of other apps may take longer than a lease
            if not is_named:
                between.call_before_job(job)
            if not job.standing().limits.may_start:
                raise JobPutBackError(_("The organization is paused or suspended."))
            frappe.set_user(user)
            frappe.local.lang = job.language or frappe.local.lang
            permission.check_owner(user, job.is_owner_enabled, job.standing(), job_type.requires_permission)
            self._parameters = content.parameters_of(job.row)
            self.context.parameters = canonical.load(self._parameters) or {}
            if job.attempt > 1:
                self.context.state = canonical.load(runs.latest_state(job.name))
            with self._watch, config.keeping(False):
                handler = handlers.resolve(job_type.handler_method)
                secrets = parameters.secrets_of(handler, self.context.parameters)
                self.context.parameters |= secrets
                self.context.secrets = spellings([secret.get_secret_value() for secret in secrets.values()])
                return self._call(handler)

    def _call(self, handler: handlers.Handler) -> Any:
        process = os.getpid()
        frappe.flags.error_message = None  # the reason of a refusal, see outcome.describe
        setattr(frappe.local, CURRENT, self.context)
        try:
            return parameters.call(handler, self.context, self._parameters)
        finally:
            setattr(frappe.local, CURRENT, None)
            if os.getpid() != process:
                os._exit(1)  # a child that the handler has forked must not settle too, on its parent's connection

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
        runs.write(self.run, {**self._start, "state": text, "sealed_files": self.context.files.index()})
        if not find.is_current(self.job.name, self.job.attempt, SETTLE_WAIT):
            connection.discard()  # a handler may catch the error and commit
            raise JobCanceledError(_("This attempt was overtaken by another one."))
        self.context.files.keep()  # before the commit: an error in it may hide that it is done
        frappe.db.commit()

    # The settle ---------------------------------------------------------------------------------------------------

    def _succeed(self, result: Any, claimer: Claimer | None) -> ClaimedJob | None:
        """Commit the handler's writes, the status Completed and, if possible, the start of the next job (I5)."""
        if self.context.remaining_seconds() <= 0:
            # The handler swallowed RQ's exception, or was deaf to it (invariant I9).
            raise JobTimeoutError(_("The time limit was reached."))
        if self._connection_id != sql.this_connection():
            raise TransientError(_("The database connection was replaced while the handler ran."))
        self._watch.check()
        settings = config.settings()
        end = outcome.success(result, settings.max_result_bytes, self.context.secrets)
        log: list[history.Event] = []
        if not self._write_success(end, log):
            connection.discard()  # this attempt's writes must not stay (invariant I4)
            self.context.files.drop()
            return None
        next_job = self._claim_next(claimer, log) if claimer and self._may_share_commit() else None
        self.end = end
        try:
            history.write(log)
            between.commit()
        except BaseException as error:
            left = list(frappe.db.after_commit._functions)
            if not self._is_committed():
                self.end = None
                raise
            best_effort.run(lambda: sql.call_all(left))  # one that fails must not cost the others
            said = outcome.describe(error, self.context.secrets)
            frappe.logger("dartwing_core").warning(f"{self.job.name}: a callback after its commit failed: {said}")
        return next_job

    def _write_success(self, end: Outcome, log: list[history.Event]) -> bool:
        try:
            return self._write(end, log)
        except Exception as error:
            if server_errors.database_code(error) != server_errors.LOCK_WAIT_TIMEOUT:
                raise
            # The handler is not to blame: whoever cancels the job has not decided in time.
            raise JobPutBackError(_("Another transaction keeps the job locked.")) from error

    def _claim_next(self, claimer: Claimer, log: list[history.Event]) -> ClaimedJob | None:
        """Claim the next job. Its own errors are left to another look, unless they undo what is written here."""
        written = len(log)
        try:
            return claimer.claim_with_settle(log)
        except Exception as error:
            has_started = len(log) > written
            if has_started or outcome.is_timeout(error) or server_errors.database_code(error) is not None:
                raise
            frappe.logger("dartwing_core").exception("The next job was left to another look")
            return None

    def _may_share_commit(self) -> bool:
        """Whether the commit of this success may start the next job: nothing follows that may take long or fail."""
        is_plain = not (self.job.has_children or self._is_function or between.has_callbacks())
        return is_plain and self.heartbeat.has_ended

    def _actual_error(self, error: BaseException) -> BaseException:
        """The error that ended the attempt. A handler may have replaced RQ's exception (invariant I9)."""
        says_it_itself = outcome.is_timeout(error) or isinstance(error, JobCanceledError)
        if says_it_itself or not isinstance(error, Exception) or self.context.remaining_seconds() > 0:
            return error
        timeout = JobTimeoutError(_("The time limit was reached."))
        timeout.__cause__ = error
        return timeout

    def fail(self, error: BaseException) -> None:
        """Undo the handler's writes, then write outcome and retry schedule at once (invariant I5).

        Does nothing if the attempt has settled by now: a time limit may strike at any moment.
        """
        if self.end is not None and self._is_committed():
            return  # the time limit has struck just after the commit
        self.end = None
        write = partial(self._write_failure, error)
        try:
            is_written = connection.retried(write, undo_first=True)
        except Exception as conflict:
            if server_errors.is_conflict(conflict):
                raise  # a transaction that cancels the job stays open: left to the sweeper
            # The time limit struck in here, which it does once, or the handler has made its session read only.
            connection.renew()
            is_written = connection.retried(write, undo_first=True)
        if is_written and outcome.is_timeout(error):
            self._clean_up()

    def _write_failure(self, error: BaseException) -> bool:
        """Write the failure. Returns whether the end was this attempt's to write."""
        end, log = self._outcome_of(error), list[history.Event]()
        try:
            is_written = self._write(end, log)
        except JobCanceledError as canceled:
            sql.rollback()
            return self._write_failure(canceled)
        if is_written:
            history.write(log)
            sql.commit()
            self.end = end
        else:
            sql.rollback()  # invariant I4
        self.context.files.drop()
        return is_written

    def _write(self, end: Outcome, log: list[history.Event]) -> bool:
        """Write the end to run row and job. False if this attempt was overtaken (invariant I4). Does not commit.

        The run row comes first, as in a cancel: so one of the two waits for the other. Raises JobCanceledError if the
        attempt was asked to stop, whatever else became of it. Adds the event of the job's history to `log`.
        """
        duration, progress = time.monotonic() - self.started, self.context.progress
        is_canceled = end.status == JobStatus.CANCELED
        runs.settle(self.run, self._run_columns(end, duration), is_canceled, SETTLE_WAIT)
        self.was_overtaken = not record.Job(self.job.row).end(
            end,
            progress=(progress.percent, progress.message),
            duration=duration,
            worker=claim.worker_name(),
            log=log,
        )
        return not self.was_overtaken

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
            **outcome.circuit_sample(self.job.row, end),
        }

    def _outcome_of(self, error: BaseException) -> Outcome:
        if isinstance(error, JobCanceledError):
            request = runs.cancel_request(self.run)
            return outcome.canceled(*(request["canceled_by"], request["cancel_reason"]) if request else (None, None))
        row = self.job.row
        try:
            return outcome.failure(row, error, config.retry_policy(row["job_type"]), self.context.secrets)
        except Exception as another:  # it can't be inspected, or the Job Type's rules can't be read
            if server_errors.database_code(another) is not None:
                raise
            return outcome.failure(row, TransientError(type(error).__name__), RetryPolicy())

    def _is_committed(self) -> bool:
        """Whether this attempt has completed the job. For a transaction that may have broken off in its commit."""
        connection.discard()
        now = find.load(self.job.name, "status", "attempt")
        return now is not None and (now["status"], now["attempt"]) == (JobStatus.COMPLETED, self.job.attempt)

    def _clean_up(self) -> None:
        """Run the Job Type's own clean-up after a time limit: best effort, in a transaction of its own."""
        job_type = self.job.job_type
        if not (job_type and job_type.timeout_handler_method):
            return
        try:
            clean_up = handlers.resolve(job_type.timeout_handler_method)
            parameters.call(clean_up, self.context, self._parameters)
            if index := self.context.files.index():
                runs.write(self.run, {"sealed_files": index})
            frappe.db.commit()
        except Exception as error:
            trace = outcome.traceback_of(error, self.context.secrets)
            frappe.logger("dartwing_core").error(f"{self.job.name}: the clean-up after its time limit failed\n{trace}")
            connection.discard()
            self.context.files.drop()
