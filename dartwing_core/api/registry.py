"""The registry of endpoints, and the decorator that gives each a verb, a limit and the form of its errors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import frappe
from frappe import _

from dartwing_core.endpoint_names import ENDPOINT_NAMES
from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.errors import InvalidJobError

from . import errors, rate_limits
from .arguments import check_names

LONGEST_TEXT = 10_000
PREFIXES = ("dartwing_core.api.jobs.", "dartwing.dartwing_core.api.jobs.")
"""The second prefix belongs to the original app. See `override_whitelisted_methods` in hooks.py."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A function that answers under `/api/method/dartwing_core.api.jobs.<its name>`.

    `headers`: those of a request that it reads, and what each is for.
    """

    function: Callable[..., Any]
    method: str
    limit: str
    headers: Mapping[str, str]


ENDPOINTS: dict[str, Endpoint] = {}


def endpoint(
    method: str,
    limit: str,
    cost: Callable[..., int] = lambda **_arguments: 1,
    headers: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Whitelist a function for one HTTP method, count it against a limit, and answer its errors as documented.

    `cost`: how many requests a call with these arguments counts as. A call from Python counts nothing, and its errors
    are exceptions.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        parameters = inspect.signature(function).parameters

        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            if not getattr(frappe.local, "request", None):
                return function(*arguments, **named)
            try:
                _check_verb(method)
                _check_enabled()
                check_names(parameters, frappe.local.form_dict if _is_asked_for(function) else named, named)
                rate_limits.count_request(limit)  # first: only then the arguments may take time
                rate_limits.count_rest(limit, cost(**named))
                _check_text(named)
                return function(*arguments, **named)
            except Exception as error:
                return errors.answer(error)

        if function.__name__ not in ENDPOINT_NAMES:
            raise LookupError(f"dartwing_core.endpoint_names does not hold the endpoint {function.__name__}")
        ENDPOINTS[function.__name__] = Endpoint(function, method, limit, headers or {})
        return frappe.whitelist(methods=[method])(call)

    return decorate


def _is_asked_for(function: Callable[..., Any]) -> bool:
    """Whether the request calls this endpoint itself, and not a function of another app that calls it."""
    command = str(frappe.local.form_dict.get("cmd") or "").rpartition(".")[2]
    return function.__name__ in (name_in(frappe.local.request.path), command)


def _check_verb(method: str) -> None:
    """Check the verb. Frappe does not, where one of its functions calls a function that an argument names."""
    if frappe.local.request.method != method:
        raise errors.WrongVerbError(_("Use {0} for this call.").format(method))


def _check_enabled() -> None:
    """Refuse disabled users: Frappe 15 accepts their API keys."""
    if not visibility.viewer().is_enabled:
        raise frappe.AuthenticationError(_("This user is disabled."))


def name_in(path: str) -> str | None:
    """The endpoint that a URL's path calls, under either prefix and in either version of Frappe's. None for others."""
    called = path.rpartition("/method/")[2].partition("/")[0] if path.startswith("/api/") else ""
    if f"{called}." in PREFIXES:  # the module itself
        return called.rpartition(".")[2]
    return next((called[len(prefix) :] for prefix in PREFIXES if called.startswith(prefix)), None)


def _check_text(arguments: dict[str, Any]) -> None:
    """Refuse half characters, which JSON can hold but no column, and very long texts that are no JSON."""
    for name, value in arguments.items():
        if isinstance(value, str) and name != "parameters":
            if len(value) > LONGEST_TEXT and value.lstrip()[:1] not in ("[", "{"):
                raise InvalidJobError(_("{0} is longer than {1} characters.").format(name, LONGEST_TEXT))
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InvalidJobError(_("{0} is no text.").format(name)) from None
