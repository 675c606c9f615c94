"""Decides which process sweeps a site: one at a time, so that many cost no more than one.

The leader checks the site again and again: `bench schedule`, the agent, or a busy worker. Without a leader, submitters
and workers that settle sweep in passing. It is all in Redis and may be lost: two sweeps at once are harmless.
"""

from __future__ import annotations

import os
import secrets
import socket

import redis

from ..lib import clock
from . import redis_queue

LEASE = 5.0
"""Seconds after the leader's last check until another process may lead."""
IN_PASSING = 2
"""Seconds between two sweeps by workers that settle."""
BY_SUBMITTERS = 5
SILENCE = 30
"""A site that was not checked for so many seconds counts as not swept."""
KEPT_SECONDS = 30 * 86_400
LEADER, LOOKED_AT, BY_SUBMITTER = "leader", "looked-at", "sweep-by-submitter"
PASSER_BY = b"passer-by"


class Candidate:
    """One thread's claim to lead a site. It is made where the site is connected, and used from any thread.

    All methods raise redis.exceptions.RedisError if Redis is not there.
    """

    def __init__(self) -> None:
        self._client = redis_queue.client()
        self._key, self._looked_at = redis_queue.site_key(LEADER), redis_queue.site_key(LOOKED_AT)
        self._token = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}".encode()

    def leads(self) -> bool:
        """Whether this is the leader, for another LEASE. It becomes the leader if there is none."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.set(self._key, self._token, nx=True, px=_milliseconds(LEASE))
        pipeline.get(self._key)
        holder = pipeline.execute()[1]
        if holder not in (self._token, PASSER_BY):
            return False
        pipeline.set(self._key, self._token, px=_milliseconds(LEASE))
        pipeline.set(self._looked_at, clock.now_epoch(), ex=KEPT_SECONDS)
        pipeline.execute()
        return True

    def resign(self) -> None:
        """Let another candidate lead at once."""
        if self._client.get(self._key) == self._token:
            self._client.delete(self._key)


def record_look() -> None:
    """Record that this site is checked right now."""
    redis_queue.client().set(redis_queue.site_key(LOOKED_AT), clock.now_epoch(), ex=KEPT_SECONDS)


def looked_at() -> float | None:
    """When this site was last checked, in seconds since 1970. None if Redis does not know."""
    found = redis_queue.remembered(LOOKED_AT, redis_queue.client())
    return float(found) if found else None


def may_pass_by() -> bool:
    """Whether a worker that has settled must sweep: no process leads, and no other worker swept within IN_PASSING."""
    client: redis.Redis = redis_queue.client()
    return bool(client.set(redis_queue.site_key(LEADER), PASSER_BY, nx=True, ex=IN_PASSING))


def may_submitter_sweep() -> bool:
    """Whether a submitter must sweep: no process leads, and no submitter swept within BY_SUBMITTERS.

    Its turn is apart from the workers': a retry may be due soon after the sweep that follows its settle."""
    client = redis_queue.client()
    holder = client.get(redis_queue.site_key(LEADER))
    return holder in (None, PASSER_BY) and redis_queue.first_in(BY_SUBMITTER, BY_SUBMITTERS, client)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
