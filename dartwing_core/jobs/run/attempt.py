"""One attempt of a job: runs the handler as the job's owner, and settles it, whatever its end is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import frappe
from frappe import _

from ..access import content, permission, standing
from ..errors import JobCanceledError, JobPutBackError, JobTimeoutError, PermanentError, TransientError
from ..job import dependencies, history, runs
from ..lib import canonical, config, connection, sql
from ..lib.outside_errors import BaseTimeoutException
from ..lib.transaction import TransactionWatch, has_undone_transaction
from ..line import claim
from ..line.claimed_job import ClaimedJob
from ..types import handlers, parameters
from . import callbacks, isolation, outcome
from .context import CURRENT, JobContext, hold_secrets
from .heartbeat import Heartbeat, HeartbeatThread
from .outcome import Outcome
from .settlement import Settlement

ClaimWithSettle = Callable[[list[history.Event]], "ClaimedJob | None"]
"""Claims the next job in the transaction of a settle. Adds the events of its history to the list."""


def claim_none(_log: list[history.Event]) -> None:
    """Claim no further job: for a process that makes one attempt."""


def context_of(job: ClaimedJob, started: float) -> JobContext:
    """The context for the job's handler, still without its parameters."""
    row = job.row
    context = JobContext(
        job_id=row["name"],
        job_type=row["job_type"],
        organization=row["organization"],
        parameters={},
        timeout_seconds=row["timeout_seconds"],
        attempt=row["attempt"],
        owner_user=row["owner_user"],
        time_zone=job.owner.time_zone or config.time_zone(),
        batch_id=row["parent_batch"] or row["callback_of"],
        reference=(row["reference_doctype"], row["reference_name"] or "") if row["reference_doctype"] else None,
        started=started,
    )
    context.load_parent_results = partial(dependencies.results, row)
    return context


class Attempt:
    """The attempt of a claimed job.

    `session`: watches the statements of other apps during the attempt. `entry_id`: RQ's id of the entry under
    which the process runs. `started`: when the attempt's time began to run, as `time.monotonic()`.
    """

    def __init__(
        self,
        job: ClaimedJob,
        heartbeat_thread: HeartbeatThread,
        session: isolation.Session,
        entry_id: str,
        started: float,
        claim_with_settle: ClaimWithSettle = claim_none,
    ):
        self.job = job
        self.refusal: Exception | None = None
        """The error with which a hook of another app refuses the job."""
        self.next_job: ClaimedJob | None = None
        """The job that was claimed with the settle."""
        self._heartbeat_thread, self._claim_with_settle = heartbeat_thread, claim_with_settle
        self.pid = os.getpid()
        self.started = started
        self.context = context_of(job, started)
        self._settlement = Settlement(job, self.context, entry_id, started)
        self.context.save_checkpoint = self._settlement.save_checkpoint
        self.watch = TransactionWatch()
        self.session = session
        self.renewed_at = 0.0
        """When the settle's transaction began, as `time.monotonic()`; 0 if it is the handler's."""
        self.heartbeat: Heartbeat | None = None
        self._parameters: str | None = None
        self.end: Outcome | None = None
        """The outcome with which it has settled. None before that, and if another attempt was first."""
        self.has_ended_itself = False
        """Whether the handler has returned or raised, and neither a time limit nor a cancel has struck."""

    @property
    def has_left_nothing(self) -> bool:
        """Whether it has ended by itself, its heartbeat is over, and its connection is what it was."""
        has_stopped_beating = self.heartbeat is None or self.heartbeat.has_ended
        has_connection = self.session.is_renewed or self._has_its_connection()
        return self.has_ended_itself and has_stopped_beating and has_connection

    def _has_its_connection(self) -> bool:
        return self._settlement.connection_id == sql.this_connection()

    def make(self) -> None:
        """Run the handler to its end and settle, whatever that end is."""
        failure: BaseException | None = None
        try:
            result = self._run_handler()
            self._succeed(result)
        except Exception as error:
            failure = self._actual_error(error)
            self.has_ended_itself = not (outcome.is_timeout(failure) or isinstance(failure, JobCanceledError))
        except BaseException as error:
            failure = error
        if failure is None:
            return
        try:  # out here: an error in it is logged without the handler's, which may tell secrets
            self._fail(failure)
            if not isinstance(failure, Exception):
                # SystemExit, KeyboardInterrupt: the worker is going down, the job is not.
                raise (outcome.without_text(failure) if self.context.secrets else failure) from None
        finally:
            failure = None  # its traceback holds this frame: all that the handler has had would stay in memory

    def _actual_error(self, error: Exception) -> Exception:
        """The error that ended the attempt. A handler may have replaced RQ's exception (invariant I9)."""
        says_it_itself = outcome.is_timeout(error) or isinstance(error, JobCanceledError)
        if says_it_itself or self.context.remaining_seconds() > 0:
            return error
        timeout = JobTimeoutError(_("The time limit was reached."))
        timeout.__cause__ = error
        return timeout

    def _prepare(self) -> Heartbeat:
        self.context.parameters = canonical.load(self._parameters) or {}
        if self.job.attempt > 1:
            self.context.state = canonical.load(runs.latest_state(self.job.name))
        return Heartbeat(self.context, self._settlement.run, self._settlement.start, self._heartbeat_thread)

    def _run_handler(self) -> Any:
        owner = self.job.owner
        if not self.job.handler:
            raise PermanentError(_("Job Type {0} does not exist any more.").format(self.job.row["job_type"]))
        if self.refusal:
            raise self.refusal
        self._check_organization()
        frappe.set_user(owner.user)
        frappe.local.lang = owner.language or frappe.local.lang
        permission.check_owner(owner, self.job.requires_permission)
        self._parameters = content.parameters_of(self.job.row)
        self.heartbeat = self._prepare()
        with self.heartbeat, self.watch, self.session.watched():
            handler = handlers.resolve(self.job.handler)
            hold_secrets(self.context, parameters.secrets_of(handler, self.context.parameters))
            with config.not_keeping():
                return self._call(handler)

    def _call(self, handler: handlers.Handler) -> Any:
        site = isolation.Site()
        frappe.flags.error_message = None  # the reason of a refusal, see outcome.describe
        setattr(frappe.local, CURRENT, self.context)
        try:
            return parameters.call(handler, self.context, self._parameters)
        finally:
            setattr(frappe.local, CURRENT, None)
            if os.getpid() != self.pid:
                os._exit(1)  # a child that the handler has forked must not settle too, on its parent's connection
            site.restore_user_and_site()

    def _succeed(self, result: Any) -> None:
        """Commit the handler's writes and the status Completed at once (invariant I5)."""
        if self.context.remaining_seconds() <= 0:
            # The handler swallowed RQ's exception, or was deaf to it (invariant I9).
            raise JobTimeoutError(_("The time limit was reached."))
        if not self._has_its_connection():
            raise TransientError(_("The database connection was replaced while the handler ran."))
        self.watch.check()
        self._renew_snapshot()
        settings = config.settings()
        end = outcome.success(result, self.context.progress.message, settings.max_result_bytes, self.context.secrets)
        log: list[history.Event] = []
        if not self._settle(end, log):
            connection.discard()  # overtaken: this attempt's writes must not stay (invariant I4)
            self.context.files.drop()
            return
        self.has_ended_itself = True
        self.next_job = self._next_along(log)
        self.end = end
        apart = callbacks.set_apart() if self.next_job else []
        try:
            history.write(log)
            self._commit()
        except BaseException as error:
            if not self._settlement.is_committed():
                self.end = self.next_job = None
                raise
            self._note_late_error(error)
        if apart:
            self._run_callbacks(apart)

    def _commit(self) -> None:
        if self.next_job:
            callbacks.commit()
            return
        with self.session.watched():  # callbacks that the handler has left may change the session as well
            frappe.db.commit()

    def _renew_snapshot(self) -> None:
        """Renew the snapshot after a longer handler that has issued no statement.

        Thus the settle's transaction can still claim the next job."""
        if not self.session.is_used and time.monotonic() - self.started >= claim.YOUNG:
            sql.commit()
            self.renewed_at = time.monotonic()

    def _run_callbacks(self, apart: list[Callable[[], Any]]) -> None:
        """Call the callbacks. The next job is claimed already: an error here belongs to the last job."""
        try:
            with self.session.watched():
                callbacks.run(apart)
        except BaseTimeoutException:
            raise
        except Exception as error:
            self._note_late_error(error)

    def _note_late_error(self, error: BaseException) -> None:
        self.has_ended_itself = False
        frappe.logger("dartwing_core").warning(
            f"{self.job.name}: a callback after its commit failed: {outcome.describe(error, self.context.secrets)}"
        )

    def _next_along(self, log: list[history.Event]) -> ClaimedJob | None:
        """Claim the next job, whose start is committed with this settle.

        Claims none if callbacks of the handler may change the process, take long or refuse the commit."""
        if not callbacks.are_quick():
            return None
        written = len(log)
        try:
            return self._claim_with_settle(log)
        except BaseTimeoutException:
            raise
        except Exception as error:
            is_started = len(log) > written
            if is_started or connection.is_lost(error) or has_undone_transaction(error, frappe.db.sql):
                raise
            frappe.logger("dartwing_core").exception("The next job was left to another look")
            return None

    def _fail(self, error: BaseException) -> None:
        """Undo the handler's writes, then write outcome and retry schedule at once (invariant I5)."""
        if self.end is not None and self._settlement.is_committed():
            return  # the time limit has struck just after the commit
        self.end = self.next_job = None
        try:
            is_written = connection.retried(lambda: self._write_failure(error), undo_first=True)
        except Exception:
            # The time limit struck in here, which it does once, or the handler has made its session read only.
            connection.renew()
            is_written = connection.retried(lambda: self._write_failure(error), undo_first=True)
        if not is_written:
            self.has_ended_itself = False  # the process that overtook it may be about to stop this one
        elif outcome.is_timeout(error):
            self._clean_up()

    def _clean_up(self) -> None:
        """Run the Job Type's own clean-up after a time limit: best effort, in a transaction of its own."""
        if not self.job.timeout_handler:
            return
        try:
            clean_up = handlers.resolve(self.job.timeout_handler)
            parameters.call(clean_up, self.context, self._parameters)
            self._settlement.save_files()
            frappe.db.commit()
        except Exception as error:
            trace = outcome.traceback_of(error, self.context.secrets)
            frappe.logger("dartwing_core").error(f"{self.job.name}: the clean-up after its time limit failed\n{trace}")
            connection.discard()
            self.context.files.drop()

    def _write_failure(self, error: BaseException) -> bool:
        """Write the failure. Returns whether the end was this attempt's to write."""
        end = self._settlement.outcome_of(error)
        log: list[history.Event] = []
        try:
            is_written = self._settle(end, log)
        except JobCanceledError:
            sql.rollback()
            end, log, self.has_ended_itself = self._settlement.canceled(), [], False
            is_written = self._settle(end, log)
        if is_written:
            history.write(log)
            sql.commit()
            self.end = end
        else:
            sql.rollback()  # overtaken (invariant I4)
        self.context.files.drop()
        return is_written

    def _settle(self, end: Outcome, log: list[history.Event]) -> bool:
        return self._settlement.write(end, log, has_row=self.heartbeat is not None and self.heartbeat.began)

    def _check_organization(self) -> None:
        """Put the job back in line if its organization was paused or suspended since the worker's view."""
        state = self.job.owner.standing().limits
        if state.is_paused or state.state in standing.STOPPED_STATES:
            raise JobPutBackError(_("The organization is paused or suspended."))
