"""Names for jobs, attempts and log rows: unique without a counter row, and in the order of their making.

A naming series would serialize all tenants' submits on its counter row until the slowest of them commits.
"""

from __future__ import annotations

import secrets
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: sorts like the numbers it stands for
TIME_CHARACTERS = 11  # microseconds since 1970, enough until the year 3111
RANDOM_BITS = 45

_last_microseconds = 0


def time_ordered_id() -> str:
    """Twenty characters of [0-9A-Z]. Later ones sort after earlier ones, strictly so within a process."""
    global _last_microseconds
    _last_microseconds = max(time.time_ns() // 1000, _last_microseconds + 1)
    number = (_last_microseconds << RANDOM_BITS) | secrets.randbits(RANDOM_BITS)
    return _base32(number, TIME_CHARACTERS + RANDOM_BITS // 5)


def new_name(prefix: str) -> str:
    """The name of a new document: the prefix of its kind, such as JOB, and a `time_ordered_id`."""
    return f"{prefix}-{time_ordered_id()}"


def first_job_name(epoch: float) -> str:
    """A name that sorts before those of all jobs made since this moment (UTC seconds)."""
    return f"JOB-{_base32(max(0, int(epoch * 1_000_000)), TIME_CHARACTERS)}"


def run_name(job: str, attempt: int) -> str:
    """Name of an attempt, and its RQ id before Frappe adds the site (so only [A-Za-z0-9_-])."""
    return f"{job}-{attempt}"


def _base32(number: int, length: int) -> str:
    return "".join([ALPHABET[(number >> place) & 31] for place in range(5 * length - 5, -1, -5)])
