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
from frappe.utils import format_datetime
from pydantic import TypeAdapter

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


def isoformat(moment: datetime) -> str:
    """ISO 8601 with offset of a naive datetime in the site's time zone."""
    return moment.replace(tzinfo=site_zone()).isoformat()


def iso(epoch: float) -> str:
    """A moment by the site's clock, as ISO 8601 with offset, to the second."""
    return datetime.fromtimestamp(epoch, site_zone()).isoformat(timespec="seconds")


def shown(epoch: float) -> str:
    """A moment in a stored text for people, who may live elsewhere: by the site's clock and format, with its zone."""
    return f"{format_datetime(site_time(epoch))} {datetime.fromtimestamp(epoch, site_zone()):%Z}"


def site_zone() -> ZoneInfo:
    """The time zone of the site, as System Settings say."""
    return ZoneInfo(config.time_zone())


# Due times -----------------------------------------------------------------------------------------------------------


DELAY = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
DATE = re.compile(r"[0-9]{4}-")
ISO_8601 = TypeAdapter(datetime)


def parse(text: str) -> datetime:
    """A date, or a date and time, as ISO 8601. Raises ValueError.

    Frappe's reader also takes "5 m" for a time, leaves zero bytes out, and is slow on long texts.
    """
    text = text.strip()
    if not DATE.match(text):  # seconds since 1970, for pydantic
        raise ValueError(text)
    return ISO_8601.validate_python(text)


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
        text = _("available_at is not a time: {0}. Pass a datetime, ISO 8601 text or a delay in seconds.")
        raise InvalidJobError(text.format(cut(available_at))) from None
    return max(epoch, now)


def _epoch(given: Any, now: float) -> float:
    if isinstance(given, str):
        is_delay = DELAY.fullmatch(given.strip())
        return now + float(given) if is_delay else to_epoch(parse(given))
    if isinstance(given, timedelta):
        return now + given.total_seconds()
    if isinstance(given, datetime):
        return to_epoch(given)
    if isinstance(given, int | float) and not isinstance(given, bool):
        return now + given
    raise ValueError(given)
