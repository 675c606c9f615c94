"""The list of endpoints, and the way of a request: verb, user, limit, arguments, operation, answer.

Errors are answered by a status, a code for programs and a text for people; never a stack trace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import frappe
from frappe import _
from werkzeug.wrappers import Request, Response

from dartwing_core.jobs import errors
from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.lib import config, server_errors
from dartwing_core.jobs.lib.texts import error_text
from dartwing_core.jobs.rq import redis_queue

from . import arguments
from .answers import Answer

PREFIX = "dartwing_core.api.jobs."
ADDRESS = re.compile(r"^/api/.*\bmethod/(dartwing[\w.]+)")
REPEATABLE = "Idempotency-Key"
"""The header of submit_job with the key of a request that its client may repeat."""
WINDOW_SECONDS = 60
JOBS_PER_REQUEST = 100
"""A call about many jobs counts as one request for each begun hundred of them."""
UNREADABLE = frozenset({"JSONDecodeError", "UnicodeDecodeError", "RecursionError"})
"""Errors about a request's body, which Frappe 15 answers with 500."""
ENDPOINTS: dict[str, Endpoint] = {}


@dataclass(slots=True)
class Endpoint:
    """Whitelists a function for one HTTP method, counts it against a limit, and answers its errors as documented.

    It answers under `/api/method/dartwing_core.api.jobs.<its name>`. A call from Python is checked by the function
    alone.
    """

    method: Literal["GET", "POST"]
    limit: str
    answer: type[Answer | dict[str, Any] | bytes]
    """What is in `message`. A dict or bytes are the whole answer."""
    arguments: Any = None
    """Their model, if they do not stand in the function's signature."""
    tell: Callable[[Any], Any] = lambda returned: returned
    """Makes the answer of what the function returns."""
    size: Callable[[dict[str, Any]], int] = lambda given: len(given.get("job_ids", ()))
    """The number of jobs that the arguments are about."""
    function: Callable[..., Any] = field(init=False)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the function. Returns what Frappe calls."""
        self.function, name = function, function.__name__
        self.arguments = self.arguments or arguments.model_of(function)

        def serve(**sent: Any) -> Any:
            return self._serve(sent) if getattr(frappe.local, "request", None) else self.tell(function(**sent))

        # Not functools.wraps: Frappe would see the function's signature, and drop what it does not know.
        serve.__module__, serve.__name__, serve.__qualname__ = PREFIX[:-1], name, name
        serve.__doc__ = function.__doc__
        ENDPOINTS[name] = self
        return frappe.whitelist(methods=[self.method])(serve)

    def _serve(self, sent: dict[str, Any]) -> Any:
        request = frappe.local.request
        try:
            # Frappe does not check the verb where one of its functions calls a function that an argument names.
            if request.method != self.method:
                raise WrongVerbError(_("Use {0} for this call.").format(self.method))
            if self.method == "POST" and request.headers.get(REPEATABLE) and self.function.__name__ != "submit_job":
                raise errors.InvalidJobError(_("{0} is only for submit_job.").format(REPEATABLE))
            if not visibility.viewer().reach.is_enabled:  # Frappe 15 accepts the API keys of disabled users
                raise frappe.AuthenticationError(_("This user is disabled."))
            _count(self.limit, 1)  # first: only then the arguments may take time
            given = arguments.read(self.arguments, sent)
            if (further := (self.size(given) - 1) // JOBS_PER_REQUEST) > 0:
                _count(self.limit, further)
            return self.tell(self.function(**given))
        except Exception as error:
            return answer_of(error)


get, post = partial(Endpoint, "GET"), partial(Endpoint, "POST")


def _count(bucket: str, amount: int) -> None:
    """Count `amount` requests of the current user against a limit of Job Engine Settings.

    The minute begins with the user's first request. Raises RateLimitError, and counts nothing, if these are too many.
    Nobody is refused while the cache's Redis is away or hangs.
    """
    limit = int(getattr(config.settings(), f"{bucket}_limit"))
    if amount > 1 and amount >= limit:
        raise errors.InvalidJobError(
            _("This call alone exceeds the limit of {0} requests a minute. Send fewer jobs at once.").format(limit)
        )
    if seconds := redis_queue.count_within(f"{bucket}:{frappe.session.user}", amount, limit, WINDOW_SECONDS):
        text = _("Too many requests: at most {0} a minute. Try again in {1} seconds.")
        raise errors.RateLimitError(text.format(limit, seconds), seconds)


# Errors --------------------------------------------------------------------------------------------------------------


class WrongVerbError(frappe.PermissionError):
    """A request with another verb than its endpoint answers."""


# HTTP status and the body's `error` for each kind of exception. The first that matches decides.
KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.QueueFullError, 429, "queue_full"),
    (errors.RateLimitError, 429, "rate_limited"),
    (errors.DuplicateJobError, 409, "duplicate"),
    (errors.JobBusyError, 503, "busy"),
    (WrongVerbError, 405, "wrong_verb"),
    (frappe.AuthenticationError, 401, "unauthorized"),
    (frappe.PermissionError, 403, "forbidden"),
    (frappe.DoesNotExistError, 404, "not_found"),
    (errors.InvalidTransitionError, 400, "wrong_state"),
    (frappe.ValidationError, 400, "invalid"),
)


class ErrorAnswer(Response):
    """An error answer of ours."""


def answer_of(error: Exception) -> ErrorAnswer:
    """The answer to a request that ended with `error`. Undoes the transaction. Raises an error of an unknown kind."""
    is_conflict = server_errors.is_conflict(error)  # Frappe 15 leaves some of them raw
    kinds = ((status, code) for kind, status, code in KINDS if isinstance(error, kind))
    status, code = (503, "busy") if is_conflict else next(kinds, (0, ""))
    if not status:
        raise error
    frappe.db.rollback()
    text = error_text(error) or _("This is not allowed.")
    if code == "busy" and not isinstance(error, errors.JobBusyError):
        text = _("The database is busy. Please try again.")
    details: dict[str, Any] = {"exc_type": type(error).__name__}
    seconds = max(1, round(getattr(error, "retry_after", None) or 0))
    if isinstance(error, errors.DuplicateJobError):
        details |= {"existing_job_id": error.existing_job_id, "status": error.status}
    elif isinstance(error, errors.RateLimitError):
        details["retry_after"] = seconds
    made = ErrorAnswer(headers={"Retry-After": str(seconds)} if status in (429, 503) else None)
    body = _write(made, status, code, text, **details)
    # For the old form of calls, `/?cmd=…`: there Frappe ignores a Response, and builds its own from these values.
    frappe.clear_messages()
    frappe.local.response.update(body, http_status_code=status)
    return made


def _write(response: Response, status: int, code: str, text: str, /, **details: Any) -> dict[str, Any]:
    """Write an error into an answer. Returns its body."""
    # Desk shows only `_server_messages`.
    message = {"message": frappe.utils.escape_html(text), "indicator": "red"}
    body = {"error": code, "message": text, **details, "_server_messages": json.dumps([json.dumps(message)])}
    response.status_code, response.content_type = status, "application/json"
    response.set_data(json.dumps(body))
    return body


def after_request(response: Response | None, request: Request) -> None:
    """Hook: give Frappe's own error answers to our endpoints the form of ours, without a stack trace.

    Frappe refuses requests without a login, with a wrong verb, or with a body that is no JSON.
    """
    if response is None or response.status_code < 400 or isinstance(response, ErrorAnswer):
        return
    found = ADDRESS.match(request.path)
    if not found:
        return
    name = config.hook("override_whitelisted_methods").get(found[1], [found[1]])[-1]  # the original app's
    endpoint = ENDPOINTS.get(name.removeprefix(PREFIX))
    if not endpoint:
        return
    method, exc_type = endpoint.method, (response.get_json(silent=True) or {}).get("exc_type") or ""
    _write(response, *_refusal(response.status_code, request, method, exc_type), exc_type=exc_type)
    if request.method != method:
        response.headers["Allow"] = method
    if response.status_code == 503:
        response.headers["Retry-After"] = "1"


def _refusal(status: int, request: Request, method: str, exc_type: str) -> tuple[int, str, str]:
    user = getattr(getattr(frappe.local, "session", None), "user", None) or "Guest"
    if user == "Guest" and status in (401, 403):
        return 401, "unauthorized", _("Log in, or send a valid API key.")
    if user != "Guest" and status == 417 and not visibility.viewer(user).reach.is_enabled:  # of an open session
        return 401, "unauthorized", _("This user is disabled.")
    if status == 403 and request.method != method:
        return 405, "wrong_verb", _("Use {0} for this call.").format(method)
    if status == 403:
        return 403, "forbidden", _("This is not allowed.")
    if status == 429:
        return 429, "rate_limited", _("Too many requests. Please try again later.")
    if status == 503:
        return 503, "busy", _("The site is under maintenance. Please try again later.")
    if status < 500 or exc_type in UNREADABLE:
        return 400, "invalid", _("The request is not valid: its CSRF token or its body is wrong.")
    return 500, "internal", _("Something went wrong. The error has been logged.")
