"""Decides which process sweeps a site: one at a time, so that many cost no more than one.

The leader checks the site again and again: `bench schedule`, the agent, or a busy worker. Without a leader, workers
that settle sweep in passing. It is all in Redis and may be lost: two sweeps at once are harmless.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from typing import Any

from redis.exceptions import LockError
from redis.lock import Lock

from ..lib import clock
from . import redis_queue

LEASE = 5.0
"""Seconds after the leader's last check until another process may lead."""
IN_PASSING = 2
"""Seconds between two sweeps in passing. A retry may be due soon after the sweep that follows its settle."""
SILENCE = 30
"""A site that was not checked for so many seconds counts as not swept."""
KEPT_SECONDS = 30 * 86_400
LEADER, LOOKED_AT, PASSER_BY = "leader", "looked-at", "sweep-by"


class Candidate:
    """One thread's claim to lead a site. It is made where the site is connected, and used from any thread.

    All methods raise redis.exceptions.RedisError if Redis is not there.
    """

    def __init__(self) -> None:
        self._client, self._looked_at = redis_queue.client(), redis_queue.site_key(LOOKED_AT)
        self._lock = Lock(self._client, redis_queue.site_key(LEADER), timeout=LEASE, blocking=False, thread_local=False)

    def leads(self) -> bool:
        """Whether this is the leader, for another LEASE. It becomes the leader if there is none."""
        try:
            self._lock.reacquire()
        except LockError:
            who = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}"
            if not self._lock.acquire(token=who):
                return False
        self._client.set(self._looked_at, clock.now_epoch(), ex=KEPT_SECONDS)
        return True

    def resign(self) -> None:
        """Let another candidate lead at once."""
        with contextlib.suppress(LockError):  # it leads no more
            self._lock.release()


def record_look() -> None:
    """Record that this site is checked right now."""
    redis_queue.client().set(redis_queue.site_key(LOOKED_AT), clock.now_epoch(), ex=KEPT_SECONDS)


def looked_at() -> float | None:
    """When this site was last checked, in seconds since 1970. None if Redis does not know."""
    found: Any = redis_queue.client().get(redis_queue.site_key(LOOKED_AT))
    return float(found) if found else None


def may_pass_by() -> bool:
    """Whether to sweep in passing: no process leads, and none swept a moment ago."""
    is_led = redis_queue.client().exists(redis_queue.site_key(LEADER))
    return not is_led and redis_queue.first_in(PASSER_BY, IN_PASSING)
