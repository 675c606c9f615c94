"""Decides what a job becomes when an attempt ends. Pure, without a database."""

from __future__ import annotations

import random
import traceback
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from ..access.content import first_line
from ..errors import CodeMissingError, InvalidJobError, JobError, JobPutBackError, JobSnoozed, JobTimeoutError
from ..job import circuits, history
from ..job.runs import Outcome
from ..lib import canonical, classification, clock, config, server_errors
from ..lib.config import JobType, RetryPolicy
from ..lib.rows import Columns, DoubtfulRow, JobRow, TypeAndOrganization
from ..lib.server_errors import BaseTimeoutException
from ..lib.texts import error_text, text_for_storage, without, without_in
from ..status import JobStatus
from .context import shown

EndingJob = JobRow | DoubtfulRow
ERROR_LENGTH = 5_000
REFERENCE_LENGTH = 16_000
"""Characters of an output reference. Its column takes 65,535 bytes, and a character has up to four."""
MAX_CRASHES = 3
LOOKS_AGAIN, LONGEST_PAUSE, GIVES_UP = 30, 600, 86_400
"""Seconds after which a job whose code was not found looks for it again, at first and at most, and is a dead letter."""


def success(result: Any, max_bytes: int, secrets: Collection[str] = ()) -> Outcome:
    """The outcome when the handler has returned. `secrets`: texts that nothing of it may hold."""
    given = result.get("output_reference") if isinstance(result, Mapping) else None
    return Outcome(
        JobStatus.COMPLETED,
        "Job completed successfully",
        result=storable(result, max_bytes, secrets),
        output_reference=None if given is None else without(shown(given), secrets)[:REFERENCE_LENGTH],
    )


def failure(job: EndingJob, error: BaseException, policy: RetryPolicy, secrets: Collection[str] = ()) -> Outcome:
    """The outcome when the handler or its settle failed: retry or Dead Letter, with the schedule in the same write.

    `secrets`: texts that neither message nor traceback may hold.
    """
    now = clock.now_epoch()
    if isinstance(error, JobSnoozed):
        return Outcome(JobStatus.PENDING, f"Snoozed for {error.seconds:g} s", due=now + error.seconds)
    if isinstance(error, JobPutBackError):
        text = f"Put back in line: {without(str(error), secrets)}"
        return Outcome(JobStatus.PENDING, text, due=now, keeps_place=True, crash_count=job["crash_count"])
    of_limit = _("The time limit of {0} s was reached.").format(job["timeout_seconds"])
    message, trace = of_limit if is_timeout(error) else describe(error, secrets), traceback_of(error, secrets)
    if isinstance(error, CodeMissingError):
        return _unfound(job, message, trace)
    if server_errors.database_code(error) == server_errors.TABLE_CHANGED:
        return _not_to_blame(job, "Table changed by a migration", message, trace)
    is_retryable = classification.classify_error(error, policy.retry_on, policy.never_retry_on)
    status = JobStatus.TIMED_OUT if is_timeout(error) else JobStatus.FAILED
    line = first_line(message)
    ended = partial(
        Outcome,
        error=message,
        error_type="Transient" if is_retryable else "Permanent",
        traceback=trace,
        is_transient=is_retryable and isinstance(error, Exception),
        has_timed_out=is_timeout(error),
    )
    if not is_retryable:
        return ended(JobStatus.DEAD_LETTER, f"Failed for good: {line}")
    ended_so = f"{history.attempt_of(job).capitalize()} {'timed out' if is_timeout(error) else 'failed'}"
    if job["retry_count"] >= job["max_retries"]:
        return ended(JobStatus.DEAD_LETTER, f"{ended_so}, no retries left: {line}")
    number = job["retry_count"] + 1
    due = now + next_delay(number, policy, classification.retry_after(error))
    return ended(status, f"{ended_so}, next at {clock.shown(due)}: {line}", due=due, retry_count=number)


def lost(job: DoubtfulRow, outlived_its_limit: bool, policy: RetryPolicy, cause: str | None = None) -> Outcome:
    """The outcome when an attempt's worker is gone: try again at once, or Dead Letter after MAX_CRASHES in a row.

    It costs no retry: killing a worker, as a deploy does, is not the job's fault. An attempt that lived past its time
    limit is Timed Out. One that had been asked to stop is Canceled. `cause`: a signal or exit code, if it is known.
    """
    if job["cancel_requested"]:
        return canceled(job["canceled_by"], job["cancel_reason"])
    if outlived_its_limit:
        return failure(job, JobTimeoutError(), policy)
    text = _("The worker was lost: it was killed or restarted, or its machine stopped.")
    if cause:
        text = _("The worker was lost ({0}): it ran out of memory, was killed or restarted.").format(cause)
    return _not_to_blame(job, "Worker lost", text)


def _not_to_blame(job: EndingJob, what: str, error: str, trace: str | None = None) -> Outcome:
    """The outcome when the job is not to blame, unless that happens MAX_CRASHES times in a row."""
    crashes = job["crash_count"] + 1
    ended = partial(Outcome, error=error, error_type="Transient", traceback=trace, crash_count=crashes)
    if crashes >= MAX_CRASHES:
        return ended(JobStatus.DEAD_LETTER, f"{what} {crashes} times in a row")
    return ended(JobStatus.FAILED, f"{what}, retrying", due=clock.now_epoch(), keeps_place=True)


def _unfound(job: EndingJob, error: str, trace: str) -> Outcome:
    """The outcome when the job's code was not found. It looks again at doubling pauses, which costs no retry.

    A module may be broken, a deploy half done, or the worker older than the code. None of that is the job's fault.
    """
    # Since the first such end. No other column says that: a pause or a long line may lie between it and the due time.
    now = clock.now_epoch()
    since = job["unfound_since_epoch"] or now
    line, ended = first_line(error), partial(Outcome, error=error, error_type="Transient", traceback=trace)
    if now - since >= GIVES_UP:
        return ended(JobStatus.DEAD_LETTER, f"Handler not found for {GIVES_UP // 3600} h: {line}")
    due = now + min(LOOKS_AGAIN + now - since, LONGEST_PAUSE)  # each pause is as long as all before it, and 30 s
    message = f"Handler not found, next at {clock.shown(due)}: {line}"
    return ended(JobStatus.FAILED, message, due=due, keeps_place=True, unfound_since=since)


def canceled(user: str | None, reason: str | None, *, by_force: bool = False) -> Outcome:
    """The outcome when a user has canceled the running job."""
    text = "Job stopped by force after it was canceled" if by_force else "Job canceled while running"
    return Outcome(JobStatus.CANCELED, text, canceled_by=user, cancel_reason=reason)


def is_timeout(error: BaseException) -> bool:
    """Whether the attempt ended by its time limit (RQ's exception or the engine's own)."""
    return isinstance(error, BaseTimeoutException | JobTimeoutError)


def storable(result: Any, max_bytes: int, secrets: Collection[str] = ()) -> str | None:
    """A handler's result as JSON, without these secrets.

    Of a document, DocType and name. A note replaces a result that can't be stored, since the work itself is done.
    """
    if result is None:
        return None
    if isinstance(result, Document):
        result = {"doctype": result.doctype, "name": result.name}
    try:
        if secrets:  # once more as plain values: a document may hold them, too
            result = without_in(canonical.plain(without_in(result, secrets), "result"), secrets)
        text = canonical.storage_json(result, "result")
        if len(text) <= max_bytes:
            return text
        note = _("The result is larger than {0} bytes. Store it in a file with context.attach.").format(max_bytes)
    except InvalidJobError as error:
        note = without(str(error), secrets)
    except Exception as error:
        note = _("The result can't be stored: {0}").format(describe(error, secrets))
    return frappe.as_json({"not_stored": note}, indent=None)


def describe(error: BaseException, secrets: Collection[str] = ()) -> str:
    """The error for the owner: its kind and plain text, without a traceback and these secrets. Never raises."""
    if is_timeout(error):
        return _("The time limit was reached.")
    try:
        told = error
        if isinstance(error, frappe.PermissionError) and not str(error):  # Frappe keeps the reason for its answer
            told = frappe.PermissionError(frappe.flags.error_message or "")
        said = error_text(told, lambda text: without(text, secrets))  # before ends are cut off
        text = without(text_for_storage(said), secrets)
    except BaseException:  # it may raise SystemExit
        text = ""
    if isinstance(error, JobError) and text:
        return text[:ERROR_LENGTH]
    return f"{type(error).__name__}: {text}"[:ERROR_LENGTH] if text else type(error).__name__


def traceback_of(error: BaseException, secrets: Collection[str] = ()) -> str:
    """The traceback for administrators, without these secrets. Never raises, whatever the exception's `str()` does."""
    try:
        text = text_for_storage("".join(traceback.format_exception(type(error), error, error.__traceback__)))
        return without(text, secrets)
    except BaseException:
        return "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__


def without_text(error: BaseException) -> BaseException:
    """The end of a worker without its text, which RQ keeps."""
    if isinstance(error, SystemExit):
        return SystemExit(error.code if isinstance(error.code, int) else 1)
    return KeyboardInterrupt()


def circuit_sample(job: TypeAndOrganization, end: Outcome, job_type: JobType | None) -> Columns:
    """The run row's columns for the circuit, if the attempt says whether the type works for the organization.

    A success says that, and so does a transient failure or a time limit. A permanent error is the job's own. A cancel,
    a snooze or the death of a worker says nothing. Empty if it says nothing or the type has no breaker.
    """
    is_success = end.status == JobStatus.COMPLETED
    if not (is_success or end.is_transient) or not config.has_breaker(job_type):
        return {}
    return {
        "circuit_key": circuits.key(job),
        "circuit_epoch": clock.now_epoch(),
        "circuit_failure": int(not is_success),
    }


# Backoff -------------------------------------------------------------------------------------------------------------


JITTER = 0.2
MAX_EXPONENT = 30


def calculate_backoff(attempt: int, base_delay: float = 60, cap: float = 3_600) -> int:
    """Seconds before retry number `attempt` (from 1): base, doubled for each further one, ±20 %.

    A whole number of at least 1 and at most `cap`.
    """
    delay = min(base_delay * 2 ** min(max(attempt, 1) - 1, MAX_EXPONENT), cap)
    return max(1, round(min(delay * random.uniform(1 - JITTER, 1 + JITTER), cap)))


def next_delay(retry_number: int, policy: RetryPolicy, at_least: float | None = None) -> float:
    """Seconds before retry `retry_number`: from the policy's `delays` (the last repeats) or by backoff.

    `at_least` is what the failed peer asked for (Retry-After); it may exceed the cap, up to a day.
    """
    if policy.delays:
        delay: float = policy.delays[min(retry_number, len(policy.delays)) - 1]
    else:
        delay = calculate_backoff(retry_number, policy.base_delay, policy.delay_cap)
    return max(delay, min(at_least or 0, 86_400))
