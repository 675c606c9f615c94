"""Errors as REST answers: a status, a code for programs and a text for people; never a stack trace.

What the engine refuses is answered by `answer`. What Frappe refuses before an endpoint runs (no login, wrong verb, no
JSON) gets the same form by `after_request`, a hook.
"""

from __future__ import annotations

import json
from typing import Any

import frappe
from frappe import _
from werkzeug.wrappers import Request, Response

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.base import plain_text
from dartwing_core.jobs.db import sql
from dartwing_core.jobs.errors import (
    DuplicateJobError,
    InvalidTransitionError,
    JobBusyError,
    QueueFullError,
    RateLimitError,
)

from .rate_limits import RETRY_AFTER

BUSY_SECONDS = 1

# The first that fits decides: HTTP status and the `error` of the body.
KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (QueueFullError, 429, "queue_full"),
    (RateLimitError, 429, "rate_limited"),
    (DuplicateJobError, 409, "duplicate"),
    (JobBusyError, 503, "busy"),
    (frappe.QueryDeadlockError, 503, "busy"),
    (frappe.QueryTimeoutError, 503, "busy"),
    (frappe.AuthenticationError, 401, "unauthorized"),
    (frappe.PermissionError, 403, "forbidden"),
    (frappe.DoesNotExistError, 404, "not_found"),
    (InvalidTransitionError, 400, "wrong_state"),
    (frappe.ValidationError, 400, "invalid"),
)


class Answer(Response):
    """An error answer of ours."""

    def __init__(self, status: int, code: str, text: str, details: dict[str, Any]):
        # `_server_messages` is what Desk shows; and all it shows.
        message = {"message": frappe.utils.escape_html(text), "indicator": "red"}
        body = {"error": code, "message": text, **details, "_server_messages": json.dumps([json.dumps(message)])}
        super().__init__(json.dumps(body), status, content_type="application/json")
        self.body = body


def answer(error: Exception) -> Answer:
    """The answer to a request that ended with `error`; its transaction is undone. Raises it if it is no known kind."""
    kind = _kind(error)
    if kind is None:
        raise error
    status, code = kind
    frappe.db.rollback()
    made = Answer(status, code, _text(error, code), {"exc_type": type(error).__name__, **_details(error)})
    if status in (429, 503):
        made.headers["Retry-After"] = str(_retry_after(error))
    # For `/?cmd=…`, an old way to call, on which Frappe ignores a Response and builds its own of this.
    frappe.clear_messages()
    frappe.local.response.update(made.body, http_status_code=status)
    return made


def _kind(error: Exception) -> tuple[int, str] | None:
    if sql.is_conflict(error):  # Frappe 15 leaves some of them raw
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


# What Frappe answers before an endpoint runs, or when it fails ---------------------------------------------------


def after_request(response: Response | None, request: Request) -> None:
    """Hook: give Frappe's error answers to our endpoints the form of ours, without its stack trace."""
    from .endpoint import of_path

    found = of_path(request.path)
    if response is not None and response.status_code == 429 and (seconds := frappe.flags.get(RETRY_AFTER)):
        response.headers["Retry-After"] = str(seconds)
    if found is None or response is None or response.status_code < 400 or isinstance(response, Answer):
        return
    status, code, text = _refusal(response.status_code, request, found.method)
    made = Answer(status, code, text, {"exc_type": _exc_type(response)})
    response.status_code = status
    response.content_type = made.content_type
    response.set_data(made.get_data())
    if request.method != found.method:
        response.headers["Allow"] = found.method
    if status == 503:
        response.headers["Retry-After"] = str(BUSY_SECONDS)


def _refusal(status: int, request: Request, method: str) -> tuple[int, str, str]:
    if status in (401, 403) and _user() == "Guest":
        return 401, "unauthorized", _("Log in, or send a valid API key.")
    if (
        status == 417 and _user() != "Guest" and not visibility.viewer(_user()).is_enabled
    ):  # Frappe 15, of an open session
        return 401, "unauthorized", _("This user is disabled.")
    if status == 403 and request.method != method:
        return 403, "forbidden", _("Use {0} for this call.").format(method)
    if status == 403:
        return 403, "forbidden", _("This is not allowed.")
    if status == 429:
        return 429, "rate_limited", _("Too many requests. Please try again later.")
    if status == 503:
        return 503, "busy", _("The site is being maintained. Please try again later.")
    if not _is_readable(request):
        return 400, "invalid", _("The body of the request is not valid JSON.")
    if status < 500:
        return 400, "invalid", _("The request is not valid: its CSRF token, or its body.")
    return 500, "internal", _("Something went wrong here. It has been logged.")


def _user() -> str:
    session = getattr(frappe.local, "session", None)
    return (session and session.user) or "Guest"


def _is_readable(request: Request) -> bool:
    try:
        text = request.get_data(as_text=True)
        if request.is_json and text:
            json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _exc_type(response: Response) -> str:
    try:
        return str(json.loads(response.get_data(as_text=True)).get("exc_type") or "")
    except (ValueError, AttributeError):
        return ""
