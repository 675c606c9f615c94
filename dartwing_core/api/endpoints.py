"""The list of endpoints: each function is registered once, with its verb, limit, arguments and answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import frappe
from frappe import _
from werkzeug.wrappers import Request, Response

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.errors import RateLimitError
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.rq import redis_queue

from . import arguments, errors
from .answers import Answer

PREFIX = "dartwing_core.api.jobs."
ADDRESS = re.compile(r"^/api/.*\bmethod/(?:dartwing\.)?dartwing_core\.api\.jobs\.(\w+)")
"""Also of the original app's names: see `override_whitelisted_methods` in hooks.py."""
REPEATABLE = "Idempotency-Key"
"""The header of submit_job with the key of a request that its client may repeat."""
WINDOW_SECONDS = 60
JOBS_PER_REQUEST = 100
"""A call about many jobs counts as one request for each begun hundred of them."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A function that answers under `/api/method/dartwing_core.api.jobs.<its name>`."""

    function: Callable[..., Any]
    method: Literal["GET", "POST"]
    limit: str
    answer: type[Answer | dict[str, Any] | bytes]
    """What is in `message`. A dict or bytes are the whole answer."""
    arguments: type[arguments.Arguments]
    tell: Callable[[Any], Any] | None
    """Makes the answer of what the function returns."""
    size: Callable[[dict[str, Any]], int] | None
    """The number of jobs that the arguments are about."""


ENDPOINTS: dict[str, Endpoint] = {}


def endpoint(
    method: Literal["GET", "POST"],
    limit: str,
    answer: type[Answer | dict[str, Any] | bytes],
    model: type[arguments.Arguments] | None = None,
    tell: Callable[[Any], Any] | None = None,
    size: Callable[[dict[str, Any]], int] | None = None,
    **kinds: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Whitelist a function for one HTTP method, count it against a limit, and answer its errors as documented.

    `model`: of its arguments, if they do not stand in its signature. `kinds`: types of some of them. A call from Python
    is checked by the function alone.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        found = Endpoint(function, method, limit, answer, model or arguments.model_of(function, kinds), tell, size)

        def serve(**sent: Any) -> Any:
            return _serve(found, sent) if getattr(frappe.local, "request", None) else _answer(found, sent)

        # Not functools.wraps: Frappe would see the function's signature, and drop what it does not know.
        serve.__module__, serve.__doc__ = PREFIX[:-1], function.__doc__
        serve.__name__ = serve.__qualname__ = function.__name__
        ENDPOINTS[function.__name__] = found
        return frappe.whitelist(methods=[method])(serve)

    return decorate


def _answer(found: Endpoint, given: dict[str, Any]) -> Any:
    returned = found.function(**given)
    return found.tell(returned) if found.tell else returned


def _serve(found: Endpoint, sent: dict[str, Any]) -> Any:
    try:
        if not visibility.viewer().is_enabled:  # Frappe 15 accepts the API keys of disabled users
            raise frappe.AuthenticationError(_("This user is disabled."))
        _count(found.limit, 1)  # first: only then the arguments may take time
        given = arguments.read(found.arguments, sent)
        if found.size and (further := (found.size(given) - 1) // JOBS_PER_REQUEST) > 0:
            _count(found.limit, further)
        return _answer(found, given)
    except Exception as error:
        return errors.answer(error)


def _count(bucket: str, amount: int) -> None:
    """Count `amount` requests of the current user against a limit of Job Engine Settings.

    The minute begins with the user's first request. Raises RateLimitError, and counts nothing, if these are too many.
    Nobody is refused while the cache's Redis is away or hangs.
    """
    limit = int(getattr(config.settings(), f"{bucket}_limit"))
    if seconds := redis_queue.count_within(f"{bucket}:{frappe.session.user}", amount, limit, WINDOW_SECONDS):
        text = _("Too many requests: at most {0} a minute. Try again in {1} seconds.")
        raise RateLimitError(text.format(limit, seconds), seconds)


def after_request(response: Response | None, request: Request) -> None:
    """Hook: give Frappe's own error answers to our endpoints the form of ours, without a stack trace.

    Frappe refuses requests without a login, with a wrong verb, or with a body that is no JSON.
    """
    if response is None or response.status_code < 400 or isinstance(response, errors.ErrorAnswer):
        return
    found = ADDRESS.match(request.path)
    if found and found[1] in ENDPOINTS:
        errors.replace(response, request, ENDPOINTS[found[1]].method)
