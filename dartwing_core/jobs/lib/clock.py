"""The engine's only clock.

Leases are seconds since 1970 (UTC), which no change of daylight saving time moves. Times that people read
are Frappe's: naive, in the site's time zone. Those run backwards for an hour each autumn, and jump when the site gets
another time zone. So due times are compared as seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from . import config


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
