"""The list of endpoints: each function is registered once, with its verb, limit, arguments and answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import frappe
from frappe import _
from werkzeug.wrappers import Request, Response

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.lib.texts import describe_unknown

from . import arguments, errors, rate_limits
from .answers import Answer

PREFIXES = ("dartwing_core.api.jobs.", "dartwing.dartwing_core.api.jobs.")
"""The second prefix belongs to the original app. See `override_whitelisted_methods` in hooks.py."""
REPEATABLE = "Idempotency-Key"
"""The header of submit_job with the key of a request that its client may repeat."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A function that answers under `/api/method/dartwing_core.api.jobs.<its name>`."""

    function: Callable[..., Any]
    method: Literal["GET", "POST"]
    limit: str
    answer: type[Answer | dict[str, Any] | bytes]
    """What is in `message`. A dict or bytes are the whole answer."""
    arguments: type[arguments.Arguments]


ENDPOINTS: dict[str, Endpoint] = {}


def endpoint(
    method: Literal["GET", "POST"],
    limit: str,
    answer: type[Answer | dict[str, Any] | bytes],
    model: type[arguments.Arguments] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Whitelist a function for one HTTP method, count it against a limit, and answer its errors as documented.

    `model`: of its arguments, if they do not stand in its signature. A call from Python is the function's own.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        found = Endpoint(function, method, limit, answer, model or arguments.model_of(function))

        def serve(**sent: Any) -> Any:
            return _serve(found, sent) if getattr(frappe.local, "request", None) else function(**sent)

        # Not functools.wraps: Frappe would see the function's signature, and drop what it does not know.
        serve.__module__, serve.__doc__ = PREFIXES[0][:-1], function.__doc__
        serve.__name__ = serve.__qualname__ = function.__name__
        ENDPOINTS[function.__name__] = found
        return frappe.whitelist(methods=[method])(serve)

    return decorate


def _serve(found: Endpoint, sent: dict[str, Any]) -> Any:
    try:
        # Frappe does not check the verb where one of its functions calls a function that an argument names.
        if frappe.local.request.method != found.method:
            raise errors.WrongVerbError(_("Use {0} for this call.").format(found.method))
        if not visibility.viewer().is_enabled:  # Frappe 15 accepts the API keys of disabled users
            raise frappe.AuthenticationError(_("This user is disabled."))
        rate_limits.count_request(found.limit)  # first: only then the arguments may take time
        return found.function(**arguments.read(found.arguments, sent))
    except Exception as error:
        return errors.answer(error)


def name_in(path: str) -> str | None:
    """The endpoint that a URL's path calls, under either prefix and in either version of Frappe's. None for others."""
    called = path.rpartition("/method/")[2].partition("/")[0] if path.startswith("/api/") else ""
    if f"{called}." in PREFIXES:  # the module itself
        return called.rpartition(".")[2]
    return next((called[len(prefix) :] for prefix in PREFIXES if called.startswith(prefix)), None)


def after_request(response: Response | None, request: Request) -> None:
    """Hook: give Frappe's own error answers to our endpoints the form of ours, without a stack trace.

    Frappe refuses requests without a login, with a wrong verb, or with a body that is no JSON.
    """
    if response is None or response.status_code < 400 or isinstance(response, errors.ErrorAnswer):
        return
    name = name_in(request.path)
    if name in ENDPOINTS:
        errors.replace(response, request, ENDPOINTS[name].method)
    elif name is not None:
        text = describe_unknown([name], ENDPOINTS)
        errors.write(response, 404, "not_found", text, exc_type=errors.exc_type_of(response))
