"""Reads a job's due time as callers give it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from frappe import _
from frappe.utils import get_datetime

from ..errors import InvalidJobError
from . import clock
from .texts import cut

DELAY = re.compile(r"[+-]?\d+(\.\d+)?")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
LONGEST = 64
"""Characters of a date with time and zone. The parser of dates needs time for the square of a text's length."""


def is_readable(text: str) -> bool:
    """Whether a text may be given to the parser of dates. White space around it does not count.

    The parser also drops zero bytes, and takes digits of all alphabets.
    """
    text = text.strip()
    return len(text) <= LONGEST and text.isascii() and text.isprintable()


def epoch_of(available_at: Any) -> float:
    """Seconds since 1970 of a datetime (naive: in the site's time zone), ISO text or delay (seconds, also as text, or
    timedelta).

    None is now, and so are past times: the due time is the place in the line. A naive time that the clock skips counts
    as an hour later, one that comes twice as the first.
    Raises InvalidJobError for anything else.
    """
    now = clock.now_epoch()
    try:
        epoch = now if available_at is None else _epoch(available_at, now)
        clock.site_time(epoch)
    except Exception:
        text = _("available_at is no time: {0}. Pass a datetime, ISO 8601 text or a delay in seconds.")
        raise InvalidJobError(text.format(cut(available_at))) from None
    return max(epoch, now)


def _epoch(given: Any, now: float) -> float:
    if isinstance(given, str) and is_readable(given):
        text = given.strip()
        if DELAY.fullmatch(text):
            return now + float(text)
        if DATE.match(text):  # Frappe's own reader takes "5 m" for a time, too
            return clock.to_epoch(_parsed(text))
    if isinstance(given, timedelta):
        return now + given.total_seconds()
    if isinstance(given, datetime):
        return clock.to_epoch(given)
    if isinstance(given, int | float) and not isinstance(given, bool):
        return now + given
    raise ValueError(given)


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return get_datetime(text)
