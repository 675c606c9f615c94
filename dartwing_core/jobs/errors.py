"""Exceptions of the job engine.

A handler's error decides what its job becomes (see `classification`). Errors for callers carry the HTTP status of
REST's answer.
"""

from __future__ import annotations

import frappe
from frappe import _


class JobError(Exception):
    """Base of the errors that a job handler may raise.

    `cause` is the exception behind it, if any.
    """

    is_retryable = True

    def __init__(self, message: str = "", cause: BaseException | None = None):
        super().__init__(message)
        self.cause = cause


class TransientError(JobError):
    """A failure that may pass: the job is retried.

    `retry_after`, in seconds, is the least delay before the next attempt.
    """

    def __init__(self, message: str = "", cause: BaseException | None = None, retry_after: float | None = None):
        super().__init__(message, cause)
        if isinstance(retry_after, str) and not any(map(str.isdigit, retry_after)):  # numbers and HTTP dates have some
            raise TypeError(f"{type(self).__name__}: retry_after is a number of seconds, not {retry_after!r:.80}")
        self.retry_after = retry_after


class PermanentError(JobError):
    """A failure that another attempt would repeat: the job becomes a Dead Letter at once."""

    is_retryable = False


class JobCanceledError(JobError):
    """The job was canceled while it ran."""

    is_retryable = False


class JobSnoozed(JobError):
    """Raised by `context.snooze`: run the job again in `seconds`, which costs no retry."""

    def __init__(self, seconds: float):
        super().__init__("The job asked to be run later.")
        self.seconds = seconds


class JobPutBackError(JobError):
    """The job may not run now: it is put back in its place in line. Raised only by the engine, before the handler."""


class CodeMissingError(JobError):
    """The job's code can't be imported at the moment. Raised only by the engine, when it looks for it to run it."""


class JobTimeoutError(TransientError):
    """The attempt reached its time limit."""


class InvalidJobError(frappe.ValidationError):
    """The request is not valid: no job can be made, or changed, like this."""

    http_status_code = 400


class JobNotFoundError(frappe.DoesNotExistError):
    """The job does not exist, or this user may not see it. The two look alike on purpose."""


class BatchNotFoundError(JobNotFoundError):
    """The batch does not exist, or this user may not see it."""


class CircuitNotFoundError(JobNotFoundError):
    """The circuit does not exist, or this user may not see it."""


class ScheduleNotFoundError(JobNotFoundError):
    """The schedule does not exist, or this user may not see it."""


class InvalidTransitionError(InvalidJobError):
    """The status of the job does not allow this."""


class JobChangedError(InvalidTransitionError):
    """The job has changed since it was read."""

    def __init__(self, name: str):
        super().__init__(_("Job {0} has changed in the meantime. Reload it and try again.").format(name))


class TenancyHookError(Exception):
    """The hook `background_job_tenancy` of an app names nothing that exists. REST answers 500."""


class UnknownHandlerError(InvalidJobError):
    """The Job Type names a handler that is not registered."""


class HandlerImportError(UnknownHandlerError):
    """The module of a handler or a function can't be imported, or does not have it: a deploy may be half done."""


class DuplicateJobError(frappe.DuplicateEntryError):
    """An equal job (type, organization, parameters) exists already.

    `existing_job_id` and `status` name it. Both are None if the caller may not see it.
    """

    def __init__(self, message: str, existing_job_id: str | None = None, status: str | None = None):
        super().__init__(message)
        self.existing_job_id = existing_job_id
        self.status = status


class JobBusyError(TransientError):
    """Another transaction is just submitting an equal job, or changing this one. Try again."""

    http_status_code = 503


class RateLimitError(frappe.RateLimitExceededError):
    """This user submits too many jobs of this type. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class QueueFullError(RateLimitError):
    """The organization has no room for another waiting job."""
