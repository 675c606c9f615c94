"""The site's time, and seconds since 1970."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from dartwing_core.jobs.lib import clock

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def _berlin(monkeypatch):
    monkeypatch.setattr(clock, "site_zone", lambda: BERLIN)


def epoch(*utc: int) -> float:
    return datetime(*utc, tzinfo=timezone.utc).timestamp()


def test_site_time_and_back():
    moment = epoch(2026, 7, 1, 12, 0)
    assert clock.site_time(moment) == datetime(2026, 7, 1, 14, 0)
    assert clock.to_epoch(clock.site_time(moment)) == moment
    assert clock.to_epoch(datetime(2026, 7, 1, 12, 0, tzinfo=timezone.utc)) == moment


def test_times_for_callers_carry_their_offset():
    assert clock.isoformat(datetime(2026, 7, 1, 14, 0)) == "2026-07-01T14:00:00+02:00"
