"""The list of endpoints: each function is registered once, with its verb, limit, arguments and answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import frappe
from frappe import _
from werkzeug.wrappers import Request, Response

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.errors import InvalidJobError, RateLimitError
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
    size: Callable[[dict[str, Any]], int] = lambda _given: 1
    """The number of jobs that the arguments are about."""
    kinds: dict[str, Any] = field(default_factory=dict)
    """Types of some arguments."""
    function: Callable[..., Any] = field(init=False)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the function. Returns what Frappe calls."""
        self.function, name = function, function.__name__
        self.arguments = self.arguments or arguments.model_of(function, self.kinds)

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
                raise errors.WrongVerbError(_("Use {0} for this call.").format(self.method))
            if self.method == "POST" and request.headers.get(REPEATABLE) and self.arguments is not arguments.SubmitJob:
                raise InvalidJobError(_("{0} counts for submit_job alone.").format(REPEATABLE))
            if not visibility.viewer().reach.is_enabled:  # Frappe 15 accepts the API keys of disabled users
                raise frappe.AuthenticationError(_("This user is disabled."))
            _count(self.limit, 1)  # first: only then the arguments may take time
            given = arguments.read(self.arguments, sent)
            if (further := (self.size(given) - 1) // JOBS_PER_REQUEST) > 0:
                _count(self.limit, further)
            return self.tell(self.function(**given))
        except Exception as error:
            return errors.answer(error)


def _count(bucket: str, amount: int) -> None:
    """Count `amount` requests of the current user against a limit of Job Engine Settings.

    The minute begins with the user's first request. Raises RateLimitError, and counts nothing, if these are too many.
    Nobody is refused while the cache's Redis is away or hangs.
    """
    limit = int(getattr(config.settings(), f"{bucket}_limit"))
    if amount > 1 and amount >= limit:
        raise InvalidJobError(_("Too much at once for the limit of {0} requests a minute. Send less.").format(limit))
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
