"""The engine's only clock.

Leases are seconds since 1970 (UTC), which no change of daylight saving time moves. Times that people read
are Frappe's: naive, in the site's time zone. Those run backwards for an hour each autumn, and jump when the site gets
another time zone. So due times are compared as seconds.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from frappe import _
from frappe.utils import get_datetime

from ..errors import InvalidJobError
from . import config
from .texts import cut


def now_epoch() -> float:
    """Seconds since 1970, UTC."""
    return time.time()


def site_time(epoch: float | None = None) -> datetime:
    """A moment as a naive datetime in the site's time zone, as Frappe stores it. Now by default."""
    moment = datetime.fromtimestamp(now_epoch() if epoch is None else epoch, site_zone())
    return moment.replace(tzinfo=None)


def site_clock() -> Callable[[], datetime]:
    """`site_time` for threads without a site: the time zone is read now."""
    zone = site_zone()
    return lambda: datetime.fromtimestamp(now_epoch(), zone).replace(tzinfo=None)


def to_epoch(moment: datetime) -> float:
    """Seconds since 1970 of an aware datetime, or of a naive one in the site's time zone."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=site_zone())).timestamp()


def iso_clock() -> Callable[[], str]:
    """Now, as ISO 8601 with offset, for threads without a site."""
    zone = site_zone()
    return lambda: datetime.fromtimestamp(now_epoch(), zone).isoformat()


def isoformat(moment: datetime | None) -> str | None:
    """ISO 8601 with offset of a naive datetime in the site's time zone."""
    return moment.replace(tzinfo=site_zone()).isoformat() if moment else None


def iso(epoch: float) -> str:
    """A moment by the site's clock, as ISO 8601 with offset, to the second."""
    return datetime.fromtimestamp(epoch, site_zone()).isoformat(timespec="seconds")


def site_zone() -> ZoneInfo:
    """The time zone of the site, as System Settings say."""
    return ZoneInfo(config.time_zone())


# Due times -----------------------------------------------------------------------------------------------------------


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
    now = now_epoch()
    try:
        epoch = now if available_at is None else _epoch(available_at, now)
        site_time(epoch)
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
            return to_epoch(_parsed(text))
    if isinstance(given, timedelta):
        return now + given.total_seconds()
    if isinstance(given, datetime):
        return to_epoch(given)
    if isinstance(given, int | float) and not isinstance(given, bool):
        return now + given
    raise ValueError(given)


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return get_datetime(text)
