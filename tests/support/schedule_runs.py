"""The moment at which schedules run in tests, and the hours after it."""

from __future__ import annotations

from datetime import datetime, timezone

NOW = datetime(2026, 11, 25, 15, 0, 10, tzinfo=timezone.utc).timestamp()
HOUR = 3_600
"""Seconds."""


def hours(*numbers: int) -> list[float]:
    """The full hours after NOW."""
    return [NOW - 10 + number * HOUR for number in numbers]
