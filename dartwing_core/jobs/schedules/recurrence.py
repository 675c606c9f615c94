"""Due times of recurring work: by a cron expression on the wall clock of a time zone, or at an interval.

croniter finds the wall-clock times of an expression. Times that daylight saving time skips or repeats are decided here,
so that they do not depend on croniter's release:

- a time that does not come is due as long after the clock was set forward as it is after the hour that was skipped
  (02:30 at 03:30), and times that fall together count once;
- of a time that comes twice only the first counts, unless the expression names each hour: then both do.

Due times are whole seconds since 1970 (UTC). No database.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter
from frappe import _
from frappe.utils import get_system_timezone

from ..errors import InvalidJobError
from ..lib.texts import cut

CRON, INTERVAL = "Cron", "Interval"
UNITS = {"Minutes": 60, "Hours": 3_600, "Days": 86_400}
SHORTEST, LONGEST = 60, 366 * 86_400
"""Seconds between two due times of an interval."""
FIELDS = 5
LONGEST_CRON = 140
"""Characters that the field of a schedule holds. croniter's time grows with the square of a list's length."""
HOUR_FIELD = 1
# croniter would read such a field as another value each time.
NOT_FIXED = re.compile(r"(?<![A-Za-z])[HhRr](?![A-Za-z])")
REACH = timedelta(hours=3)
"""Seconds, more than any clock is set forward or back."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule by `cron` or by `interval` (seconds, counted from `anchor`). One of them is set."""

    zone: ZoneInfo
    cron: str = ""
    interval: int = 0
    anchor: float = 0

    def next_after(self, epoch: float) -> float | None:
        """The first due time after this moment. None if there is none in the next decades."""
        if self.interval:
            passed = math.floor((epoch - self.anchor) / self.interval)
            return self.anchor + max(1, passed + 1) * self.interval
        return self._cron_after(epoch)

    def after(self, epoch: float) -> Iterator[float]:
        """The due times after this moment."""
        due = self.next_after(epoch)
        while due is not None:
            yield due
            due = self.next_after(due)

    def last(self, number: int, since: float, until: float) -> list[float]:
        """The last due times from `since` to `until` (both included), so many at most, in order.

        Computes only about `number` times, however many there are in between.
        """
        span: float = (self.interval or SHORTEST) * (number + 1)
        while True:
            start = max(since, until - span)
            found = list(takewhile(lambda due: due <= until, self.after(math.ceil(start) - 1)))
            if len(found) > number or start == since:
                return found[-number:]
            span *= 4

    def _cron_after(self, epoch: float) -> float | None:
        """Near a change of the clock, a later wall-clock time may come earlier: so further ones are looked at there."""
        wall, is_near, found = self._wall(epoch), self._changes_near(epoch), list[float]()
        walk = croniter(self.cron, wall - REACH if is_near else wall, max_years_between_matches=50)
        for moment in walk.all_next(datetime):
            found += [due for due in self._epochs(moment) if due > epoch]
            first = min(found, default=None)
            if first and (moment > self._wall(first) + REACH or not (is_near or self._changes_near(first))):
                break
        return min(found, default=None)

    def _epochs(self, wall: datetime) -> list[float]:
        first, second = (wall.replace(tzinfo=self.zone, fold=fold).timestamp() for fold in (0, 1))
        is_each_hour = second > first and croniter.expand(self.cron)[0][HOUR_FIELD] == ["*"]
        return [first, second] if is_each_hour else [first]  # in a gap the second is the earlier one

    def _wall(self, epoch: float) -> datetime:
        return datetime.fromtimestamp(math.floor(epoch), self.zone).replace(tzinfo=None, fold=0)

    def _changes_near(self, epoch: float) -> bool:
        around = (epoch - REACH.total_seconds(), epoch + REACH.total_seconds())
        return len({datetime.fromtimestamp(moment, self.zone).utcoffset() for moment in around}) > 1


def parse(schedule: Mapping[str, Any], now: float) -> Recurrence:
    """The recurrence of a schedule's fields. Raises InvalidJobError with the reason for invalid ones."""
    zone = _zone(schedule["time_zone"] or get_system_timezone())
    if schedule["frequency"] == INTERVAL:
        interval = _interval(schedule["every"], schedule["every_unit"])
        return Recurrence(zone, interval=interval, anchor=math.floor(schedule["anchor_epoch"] or 0))
    if schedule["frequency"] != CRON:
        text = _("Unknown frequency: {0}. Use one of: {1}.")
        raise InvalidJobError(text.format(cut(schedule["frequency"]), f"{CRON}, {INTERVAL}"))
    recurrence = Recurrence(zone, cron=_checked_cron(schedule["cron"]))
    if recurrence.next_after(now) is None:
        raise InvalidJobError(_("The cron expression {0} is never due.").format(cut(recurrence.cron)))
    return recurrence


def _zone(name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except Exception:  # KeyError, ValueError, TypeError, and OSError for "Europe" alone
        text = _("There is no time zone {0}. Use a name such as Europe/Berlin.")
        raise InvalidJobError(text.format(cut(name))) from None


def _interval(every: Any, unit: Any) -> int:
    try:
        seconds = int(every) * UNITS[unit]
    except (TypeError, ValueError, KeyError, OverflowError):
        raise InvalidJobError(_("The interval must be a whole number of minutes, hours or days.")) from None
    if not SHORTEST <= seconds <= LONGEST:
        raise InvalidJobError(_("The interval must be between one minute and 366 days."))
    return seconds


def _checked_cron(text: Any) -> str:
    cron = " ".join(str(text or "").split())
    if len(cron) > LONGEST_CRON:
        raise InvalidJobError(_("A cron expression has at most {0} characters.").format(LONGEST_CRON))
    if NOT_FIXED.search(cron):
        raise InvalidJobError(_("The cron expression {0} has a random field (H or R).").format(cut(cron)))
    if not cron.startswith("@") and len(cron.split()) != FIELDS:  # as in @daily
        text = _("{0} is not a cron expression. It needs five fields: minute, hour, day, month, weekday.")
        raise InvalidJobError(text.format(cut(cron)))
    try:
        croniter.expand(cron)
    except Exception as error:  # of many kinds, by its release; some hold a stack trace before it
        reason = (str(error).splitlines() or [""])[-1]
        raise InvalidJobError(_("{0} is not a cron expression: {1}").format(cut(cron), cut(reason))) from None
    return cron
