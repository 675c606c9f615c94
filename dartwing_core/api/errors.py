"""Errors as REST answers: a status, a code for programs and a text for people; never a stack trace."""

from __future__ import annotations

import json
from typing import Any

import frappe
from frappe import _
from werkzeug.wrappers import Request, Response

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.errors import (
    DuplicateJobError,
    InvalidTransitionError,
    JobBusyError,
    QueueFullError,
    RateLimitError,
)
from dartwing_core.jobs.lib import server_errors
from dartwing_core.jobs.lib.texts import error_text

BUSY_SECONDS = 1
UNREADABLE = frozenset({"JSONDecodeError", "UnicodeDecodeError", "RecursionError"})
"""Errors about a request's body, which Frappe 15 answers with 500."""


class WrongVerbError(frappe.PermissionError):
    """A request with another verb than its endpoint answers."""


# HTTP status and the body's `error` for each kind of exception. The first that matches decides.
KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (QueueFullError, 429, "queue_full"),
    (RateLimitError, 429, "rate_limited"),
    (DuplicateJobError, 409, "duplicate"),
    (JobBusyError, 503, "busy"),
    (WrongVerbError, 405, "wrong_verb"),
    (frappe.AuthenticationError, 401, "unauthorized"),
    (frappe.PermissionError, 403, "forbidden"),
    (frappe.DoesNotExistError, 404, "not_found"),
    (InvalidTransitionError, 400, "wrong_state"),
    (frappe.ValidationError, 400, "invalid"),
)


class ErrorAnswer(Response):
    """An error answer of ours."""


def answer(error: Exception) -> ErrorAnswer:
    """The answer to a request that ended with `error`. Undoes the transaction. Raises an error of an unknown kind."""
    is_conflict = server_errors.is_conflict(error)  # Frappe 15 leaves some of them raw
    kinds = ((status, code) for kind, status, code in KINDS if isinstance(error, kind))
    status, code = (503, "busy") if is_conflict else next(kinds, (0, ""))
    if not status:
        raise error
    frappe.db.rollback()
    text = error_text(error) or _("This is not allowed.")
    if code == "busy" and not isinstance(error, JobBusyError):
        text = _("The database is busy. Please try again.")
    details: dict[str, Any] = {"exc_type": type(error).__name__}
    if isinstance(error, DuplicateJobError):
        details |= {"existing_job_id": error.existing_job_id, "status": error.status}
    seconds = max(BUSY_SECONDS, round(getattr(error, "retry_after", None) or 0))
    if isinstance(error, RateLimitError):
        details["retry_after"] = seconds
    made = ErrorAnswer()
    body = write(made, status, code, text, **details)
    if status in (429, 503):
        made.headers["Retry-After"] = str(seconds)
    # For the old form of calls, `/?cmd=…`: there Frappe ignores a Response, and builds its own from these values.
    frappe.clear_messages()
    frappe.local.response.update(body, http_status_code=status)
    return made


def write(response: Response, status: int, code: str, text: str, /, **details: Any) -> dict[str, Any]:
    """Write an error into an answer. Returns its body."""
    # Desk shows only `_server_messages`.
    message = {"message": frappe.utils.escape_html(text), "indicator": "red"}
    body = {"error": code, "message": text, **details, "_server_messages": json.dumps([json.dumps(message)])}
    response.status_code, response.content_type = status, "application/json"
    response.set_data(json.dumps(body))
    return body


def replace(response: Response, request: Request, method: str) -> None:
    """Replace an error answer that Frappe has made for an endpoint of this method by one of ours."""
    exc_type = (response.get_json(silent=True) or {}).get("exc_type") or ""
    write(response, *_refusal(response.status_code, request, method, exc_type), exc_type=exc_type)
    if request.method != method:
        response.headers["Allow"] = method
    if response.status_code == 503:
        response.headers["Retry-After"] = str(BUSY_SECONDS)


def _refusal(status: int, request: Request, method: str, exc_type: str) -> tuple[int, str, str]:
    user = getattr(getattr(frappe.local, "session", None), "user", None) or "Guest"
    if user == "Guest" and status in (401, 403):
        return 401, "unauthorized", _("Log in, or send a valid API key.")
    if user != "Guest" and status == 417 and not visibility.viewer(user).is_enabled:  # of an open session
        return 401, "unauthorized", _("This user is disabled.")
    if status == 403 and request.method != method:
        return 405, "wrong_verb", _("Use {0} for this call.").format(method)
    texts = {
        403: ("forbidden", _("This is not allowed.")),
        429: ("rate_limited", _("Too many requests. Please try again later.")),
        503: ("busy", _("The site is being maintained. Please try again later.")),
    }
    if status in texts:
        return status, *texts[status]
    if status < 500 or exc_type in UNREADABLE:
        return 400, "invalid", _("The request is not valid: its CSRF token or its body is wrong.")
    return 500, "internal", _("Something went wrong. The error has been logged.")
