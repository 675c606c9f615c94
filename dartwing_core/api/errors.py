"""Errors of endpoints as REST answers: a status, a code for programs and a text for people; never a stack trace."""

from __future__ import annotations

import json
from typing import Any

import frappe
from frappe import _
from werkzeug.wrappers import Response

from dartwing_core.jobs.errors import (
    DuplicateJobError,
    InvalidTransitionError,
    JobBusyError,
    QueueFullError,
    RateLimitError,
)
from dartwing_core.jobs.lib import plain_text, server_errors

BUSY_SECONDS = 1


class WrongVerbError(frappe.PermissionError):
    """A request with another verb than its endpoint answers."""


# HTTP status and the body's `error` for each kind of exception. The first that matches decides.
KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (QueueFullError, 429, "queue_full"),
    (RateLimitError, 429, "rate_limited"),
    (DuplicateJobError, 409, "duplicate"),
    (JobBusyError, 503, "busy"),
    (frappe.QueryDeadlockError, 503, "busy"),
    (frappe.QueryTimeoutError, 503, "busy"),
    (WrongVerbError, 405, "wrong_verb"),
    (frappe.AuthenticationError, 401, "unauthorized"),
    (frappe.PermissionError, 403, "forbidden"),
    (frappe.DoesNotExistError, 404, "not_found"),
    (InvalidTransitionError, 400, "wrong_state"),
    (frappe.ValidationError, 400, "invalid"),
)


class Answer(Response):
    """An error answer of ours."""

    def __init__(self, status: int, code: str, text: str, details: dict[str, Any]):
        # Desk shows only `_server_messages`.
        message = {"message": frappe.utils.escape_html(text), "indicator": "red"}
        body = {"error": code, "message": text, **details, "_server_messages": json.dumps([json.dumps(message)])}
        super().__init__(json.dumps(body), status, content_type="application/json")
        self.body = body


def answer(error: Exception) -> Answer:
    """The answer to a request that ended with `error`. Undoes the transaction. Raises an error of an unknown kind."""
    kind = _kind(error)
    if kind is None:
        raise error
    status, code = kind
    frappe.db.rollback()
    made = Answer(status, code, _text(error, code), {"exc_type": type(error).__name__, **_details(error)})
    if status in (429, 503):
        made.headers["Retry-After"] = str(_retry_after(error))
    # For the old form of calls, `/?cmd=…`: there Frappe ignores a Response, and builds its own from these values.
    frappe.clear_messages()
    frappe.local.response.update(made.body, http_status_code=status)
    return made


def _kind(error: Exception) -> tuple[int, str] | None:
    if server_errors.is_conflict(error):  # Frappe 15 leaves some of them raw
        return 503, "busy"
    return next(((status, code) for kind, status, code in KINDS if isinstance(error, kind)), None)


def _text(error: Exception, code: str) -> str:
    if code == "busy" and not isinstance(error, JobBusyError):
        return _("The database is busy. Please try again.")
    return plain_text.of_error(error) or _("This is not allowed.")


def _details(error: Exception) -> dict[str, Any]:
    if isinstance(error, DuplicateJobError):
        return {"existing_job_id": error.existing_job_id, "status": error.status}
    if isinstance(error, RateLimitError):
        return {"retry_after": _retry_after(error)}
    return {}


def _retry_after(error: Exception) -> int:
    return max(BUSY_SECONDS, round(getattr(error, "retry_after", None) or 0))
