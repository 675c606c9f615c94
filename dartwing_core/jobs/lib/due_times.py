"""Reads a job's due time as callers give it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from frappe import _
from frappe.utils import get_datetime

from ..errors import InvalidJobError
from . import clock
from .texts import cut

DELAY = re.compile(r"\s*[+-]?\d+(\.\d+)?\s*")
DATE = re.compile(r"\s*\d{4}-\d{2}-\d{2}")
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
    if available_at is None:
        return now
    if isinstance(available_at, timedelta):
        return _moment(lambda: now + available_at.total_seconds(), available_at, now)
    is_text = isinstance(available_at, str) and is_readable(available_at)
    if is_text and DELAY.fullmatch(available_at):
        available_at = float(available_at)
    if isinstance(available_at, int | float) and not isinstance(available_at, bool):
        return _moment(lambda: now + available_at, available_at, now)
    if isinstance(available_at, datetime):
        return _moment(lambda: clock.to_epoch(available_at), available_at, now)
    return _moment(lambda: clock.to_epoch(_parse(available_at)), available_at, now)


def _parse(text: Any) -> datetime:
    if not isinstance(text, str) or not is_readable(text) or not DATE.match(text):
        raise ValueError(text)  # Frappe's own reader takes "5 m" for a time, too
    try:
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return get_datetime(text.strip())


def _moment(convert: Callable[[], float], given: Any, now: float) -> float:
    try:
        epoch = convert()
        clock.site_time(epoch)
        return max(epoch, now)
    except Exception:
        raise InvalidJobError(
            _("available_at is no time: {0}. Pass a datetime, ISO 8601 text or a delay in seconds.").format(cut(given))
        ) from None
