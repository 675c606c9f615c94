"""Decides which failures are worth another attempt.

The order of the rules is part of the public contract; `docs/retries.md` lists them. Connection and time-out errors are
retried as all errors are that no rule names.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import frappe

from ..errors import JobError
from .server_errors import PASSING, database_code

RETRYABLE_HTTP_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})

FRAPPE_PERMANENT = (
    frappe.ValidationError,
    frappe.PermissionError,
    frappe.DoesNotExistError,
    frappe.AuthenticationError,
    frappe.DuplicateEntryError,
)

PROGRAMMING_ERRORS = (
    TypeError,
    AttributeError,
    ImportError,
    NameError,
    LookupError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
    SyntaxError,
    RecursionError,
)


def classify_error(exc: BaseException, retry_on: Collection[str] = (), never_retry_on: Collection[str] = ()) -> bool:
    """Whether an attempt that ended with this exception should be retried.

    `retry_on` and `never_retry_on` name exception classes for which a Job Type decides otherwise.
    """
    names = {cls.__name__ for cls in type(exc).__mro__}
    if not names.isdisjoint(never_retry_on):
        return False
    if not names.isdisjoint(retry_on):
        return True
    if isinstance(exc, JobError):
        return exc.is_retryable
    if database_code(exc) in PASSING:  # also behind an error of Frappe's
        return True
    status = http_status(exc)
    if status in RETRYABLE_HTTP_STATUS:
        return True
    if status is not None and 400 <= status < 500:
        return False
    return not isinstance(exc, FRAPPE_PERMANENT + PROGRAMMING_ERRORS)


def get_error_type(exc: BaseException) -> str:
    """ "Transient" or "Permanent", as stored in a job's `error_type`."""
    return "Transient" if classify_error(exc) else "Permanent"


def http_status(exc: BaseException) -> int | None:
    """The HTTP status that an exception carries, in any of the usual places."""
    places = [getattr(exc, name, None) for name in ("http_status", "status_code", "http_status_code")]
    for value in (*places, getattr(getattr(exc, "response", None), "status_code", None)):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def retry_after(exc: BaseException) -> float | None:
    """Seconds that the failed peer asked us to wait (RFC 9110, section 10.2.3), or None."""
    headers = getattr(getattr(exc, "response", None), "headers", None)
    header = headers.get("Retry-After") if isinstance(headers, Mapping) else None
    return parse_retry_after(getattr(exc, "retry_after", None) or header)


def parse_retry_after(value: Any) -> float | None:
    """Seconds of a Retry-After value: a number or an HTTP date. None if it is neither."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        try:
            moment = parsedate_to_datetime(str(value))
        except (TypeError, ValueError, OverflowError):
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        seconds = (moment - datetime.now(timezone.utc)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None
