"""A Redis that may be away: clients that give up soon, and a pause after a call that failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import redis

CONNECT_TIMEOUT = 0.5
ANSWER_TIMEOUT = 2.0
AWAY_SECONDS = 2.0
T = TypeVar("T")


@lru_cache
def client_of(url: str, username: str | None = None, password: str | None = None) -> redis.Redis:
    """One client for a process. It keeps its connection from one sweep or submit to the next, and renews it."""
    timeouts = {"socket_timeout": ANSWER_TIMEOUT}
    if not url.startswith("unix://"):  # a socket of the machine knows no other one in Frappe 15's redis-py
        timeouts["socket_connect_timeout"] = CONNECT_TIMEOUT
    return redis.Redis.from_url(url, username=username, password=password, **timeouts)


class Availability:
    """Whether a Redis is there, as far as this process knows."""

    def __init__(self) -> None:
        self.away_until = 0.0
        """This process does not call the Redis before this time, as `time.monotonic()`."""

    def if_there(self, ask: Callable[[], T]) -> T | None:
        """The result of `ask`, or None if the Redis is not there, or was not within the last AWAY_SECONDS."""
        if time.monotonic() < self.away_until:
            return None
        try:
            return ask()
        except redis.exceptions.RedisError:
            self.away_until = time.monotonic() + AWAY_SECONDS
            return None
