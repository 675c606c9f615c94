"""Reads arguments of requests: JSON bodies hold values, form fields hold text."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Collection, Mapping
from typing import Any

import frappe
from frappe import _

from dartwing_core.jobs.errors import InvalidJobError
from dartwing_core.jobs.lib.texts import describe_unknown

JOBS_PER_REQUEST = 100
"""A call about many jobs counts as one request for each begun group of so many jobs."""
REPEATABLE = "Idempotency-Key"
"""The header with the key of a request that its client may repeat."""
TRANSPORT = frozenset({"cmd", "csrf_token", "sid", "lang", "_lang", "_"})
"""Names that Frappe and browsers send beside the arguments of a function."""


def check_names(parameters: Mapping[str, inspect.Parameter], sent: Collection[str], values: Mapping[str, Any]) -> None:
    """Raises InvalidJobError for an argument that an endpoint does not know, and for one that it needs.

    `sent`: the names in the request. Frappe drops those that the function does not know.
    """
    unknown = sorted({*sent} - parameters.keys() - TRANSPORT)
    if unknown:
        raise InvalidJobError(_("These arguments don't fit: {0}.").format(describe_unknown(unknown, parameters)))
    for parameter in parameters.values():
        if is_required(parameter) and values.get(parameter.name) in (None, ""):
            raise InvalidJobError(_("{0} is missing.").format(parameter.name))


def is_required(parameter: inspect.Parameter) -> bool:
    """Whether an argument is required: None is its default (`schemas.common.REQUIRED`), but not of its type."""
    return parameter.default is None and "None" not in str(parameter.annotation)


def header(name: str) -> str | None:
    """A header of the request. None without it, or outside of a request."""
    request = getattr(frappe.local, "request", None)
    return request.headers.get(name) if request else None


def refuse_repeatable(*, takes_keys: bool = True) -> None:
    """Raises InvalidJobError for a request whose client trusts in a key that would not count.

    `takes_keys`: whether its jobs may have a `dedup_key`.
    """
    if header(REPEATABLE):
        advice = _("Give each job a dedup_key instead.") if takes_keys else _("Leave it out.")
        raise InvalidJobError(f"{_('{0} counts for submit_job alone.').format(REPEATABLE)} {advice}")


def own_key(key: str) -> str:
    """The `dedup_key` for a key that the current user's client has chosen. Clients of others may choose the same."""
    return hashlib.sha256(f"{frappe.session.user}\n{key}".encode()).hexdigest()


def given(value: Any, default: Any = None) -> Any:
    """The value of an argument. The default for None, and for an empty form field. An empty object is a value."""
    return default if value in (None, "") else value


def parsed(value: Any, argument: str) -> Any:
    """A value of a JSON body unchanged; the JSON text of a form field parsed."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise InvalidJobError(_("{0} is not valid JSON.").format(argument)) from None


def whole_number(value: Any, argument: str) -> int | None:
    """A whole number of a JSON body, or its text in a form field. None if it is not given."""
    found = parsed(value, argument)
    if found is not None and type(found) is not int:
        raise InvalidJobError(_("{0} must be a whole number.").format(argument))
    return found


def text_or_list(value: Any, argument: str) -> Any:
    """A text or a list. In a form field, a list is JSON text."""
    is_list = isinstance(value, str) and value.lstrip().startswith("[")
    return parsed(value, argument) if is_list else given(value)


def requests_for(many: Any) -> int:
    """The number of requests that a list counts as. Anything else counts as one."""
    return requests_for_jobs(len(many)) if isinstance(many, list) else 1


def requests_for_jobs(number: int) -> int:
    """The number of requests that a call about so many jobs counts as."""
    return max(1, -(-number // JOBS_PER_REQUEST))
