"""Decides when a failed attempt is tried again."""

from __future__ import annotations

import random
from collections.abc import Sequence

JITTER = 0.2
MAX_EXPONENT = 30


def calculate_backoff(attempt: int, base_delay: float = 60, cap: float = 3_600) -> int:
    """Seconds before retry number `attempt` (from 1): base, doubled for each further one, ±20 %.

    A whole number of at least 1 and at most `cap`.
    """
    delay = min(base_delay * 2 ** min(max(attempt, 1) - 1, MAX_EXPONENT), cap)
    return max(1, round(min(delay * random.uniform(1 - JITTER, 1 + JITTER), cap)))


def next_delay(
    retry_number: int,
    *,
    delays: Sequence[int],
    base_delay: float,
    cap: float,
    at_least: float | None = None,
) -> float:
    """Seconds before retry `retry_number`: from the Job Type's `delays` (the last repeats) or by backoff.

    `at_least` is what the failed peer asked for (Retry-After); it may exceed the cap, up to a day.
    """
    if delays:
        delay: float = delays[min(retry_number, len(delays)) - 1]
    else:
        delay = calculate_backoff(retry_number, base_delay, cap)
    return max(delay, min(at_least or 0, 86_400))
