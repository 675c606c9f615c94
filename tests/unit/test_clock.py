"""Due times around a change of daylight saving time (R18)."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from dartwing_core.jobs import clock

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def _berlin(monkeypatch):
    monkeypatch.setattr(clock, "_zone", lambda: BERLIN)


def epoch(*utc: int) -> float:
    return datetime(*utc, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("moment", "repeats"),
    [
        (epoch(2026, 10, 25, 0, 59), True),  # just before clocks go back at 01:00 UTC
        (epoch(2026, 10, 25, 1, 1), True),
        (epoch(2026, 10, 24, 20, 0), False),
        (epoch(2026, 10, 25, 5, 0), False),
        (epoch(2026, 3, 29, 1, 0), False),  # clocks go forward: no hour repeats
        (epoch(2026, 7, 1, 1, 0), False),
    ],
)
def test_the_repeated_hour_is_known(moment, repeats):
    assert clock.wall_clock_repeats(moment) is repeats


def test_site_time_and_back():
    moment = epoch(2026, 7, 1, 12, 0)
    assert clock.site_time(moment) == datetime(2026, 7, 1, 14, 0)
    assert clock.to_epoch(clock.site_time(moment)) == moment
    assert clock.to_epoch(datetime(2026, 7, 1, 12, 0, tzinfo=timezone.utc)) == moment


def test_times_for_callers_carry_their_offset():
    assert clock.isoformat(datetime(2026, 7, 1, 14, 0)) == "2026-07-01T14:00:00+02:00"
    assert clock.isoformat(None) is None
