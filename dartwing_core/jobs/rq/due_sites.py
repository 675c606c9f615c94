"""When each site of the bench has work next: a sorted set in Redis, by Redis's clock.

Sites note it as they get work. One process of the bench leads: it asks each second whether a site is due
(`ticker`), and a worker checks that site (`sweep/agent`). It may all be lost: sites are listed anew each minute.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import frappe
import redis
from frappe.utils import get_bench_id

from ..lib import clock, sql
from . import redis_queue

AFTER_BELL = 5
"""Seconds after a bell at which the site is due: the shortest lease of a job. Its check knows the true end."""
ANYWAY, GROUP = 60, 10
"""Each site is checked once in so many seconds, together with others, one group in each part of that time."""
CHECK = 10
"""Seconds after which a site is due again whose check has not ended: a worker was killed. Two at once are harmless."""
OVERDUE = 2
"""Seconds after its time at which a site is checked by a worker that is busy, since nobody else does it."""
SILENCE = 30
"""Seconds after its last look from which on the bench counts as one that nobody watches."""
LEASE = 3
KEPT_SECONDS = 30 * 86_400
_NOW = "local time = redis.call('TIME'); local now = time[1] + time[2] / 1000000\n"
_LEAD = """
local leader = redis.call('GET', KEYS[2])
if leader and leader ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
redis.call('SET', KEYS[3], now, 'EX', ARGV[3])
if redis.call('EXISTS', KEYS[4]) == 0 then return 1 end
return redis.call('ZCOUNT', KEYS[1], '-inf', now) + redis.call('ZCOUNT', KEYS[5], '-inf', now)
"""
# Checks whose time is over have lost their worker.
_TAKE = """
local site, latest = ARGV[1], now - ARGV[2]
for _, lost in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
    redis.call('ZADD', KEYS[1], redis.call('ZSCORE', KEYS[2], lost), lost)
    redis.call('ZREM', KEYS[2], lost)
end
if site == '' then
    site = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', latest, 'LIMIT', 0, 1)[1]
    if not site then return false end
elseif tonumber(redis.call('ZSCORE', KEYS[1], site) or math.huge) > latest then
    return false
end
redis.call('ZREM', KEYS[1], site)
redis.call('ZADD', KEYS[2], now + ARGV[3], site)
redis.call('EXPIRE', KEYS[2], ARGV[4])
return {site, redis.call('ZSCORE', KEYS[2], site)}
"""
_NOTE = """
local at = now + ARGV[2]
if redis.call('ZSCORE', KEYS[2], ARGV[1]) == ARGV[3] then redis.call('ZREM', KEYS[2], ARGV[1]) end
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or math.huge) > at then redis.call('ZADD', KEYS[1], at, ARGV[1]) end
"""
_ADD = """
redis.call('SET', KEYS[2], 1, 'EX', ARGV[1])
for number = 3, #ARGV do
    if not (redis.call('ZSCORE', KEYS[1], ARGV[number]) or redis.call('ZSCORE', KEYS[3], ARGV[number])) then
        redis.call('ZADD', KEYS[1], now + (number - 3) / 10, ARGV[number])
    end
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""


class Taken(NamedTuple):
    """A due site that this process checks."""

    site: str
    mark: bytes


class DueSites:
    """The sites of a bench, in the sorted set `key`. Raises redis.exceptions.RedisError if Redis is not there."""

    def __init__(self, client: redis.Redis, bench: str):
        self.client, self.bench = client, bench
        names = "due", "checked", "leader", "looked-at", "listed", "failed"
        self.key, self._checked, self._leader, self._looked_at, self._listed, self._failed = (
            f"rq:dartwing_core:bench:{bench}:{name}" for name in names
        )

    def _run(self, script: str, keys: Sequence[str], *arguments: Any) -> Any:
        return self.client.eval(_NOW + script, len(keys), *keys, *arguments)

    def lead(self, me: str) -> bool:
        """Whether this process leads, and a site is due. It becomes the leader if there is none."""
        keys = self.key, self._leader, self._looked_at, self._listed, self._checked
        return bool(self._run(_LEAD, keys, me, LEASE, KEPT_SECONDS))

    def take(self, site: str = "", late: float = 0) -> Taken | None:
        """Take a site that has been due for so many seconds, the given one or the first, for CHECK seconds."""
        found = self._run(_TAKE, [self.key, self._checked], site, late, CHECK, KEPT_SECONDS)
        return Taken(found[0].decode(errors="surrogateescape"), found[1]) if found else None

    def note(self, site: str, seconds: float, mark: bytes = b"") -> None:
        """The site has work in so many seconds. An earlier note stays. `mark`: of the check that this ends."""
        self._run(_NOTE, [self.key, self._checked], site, seconds, mark)

    def note_failure(self, site: str, has_failed: bool) -> bool:
        """Note how a check has ended. Returns whether it is the first failure in a row."""
        if has_failed:
            return bool(self.client.hsetnx(self._failed, site, "1"))
        self.client.hdel(self._failed, site)
        return False

    def must_list(self) -> bool:
        """Whether a minute has passed since the sites of the bench were listed."""
        return not self.client.exists(self._listed)

    def add(self, sites: Sequence[str]) -> None:
        """These are the sites of the bench: new ones are due soon, one after another."""
        self._run(_ADD, [self.key, self._listed, self._checked], ANYWAY, KEPT_SECONDS, *sites)

    def drop(self, site: str) -> None:
        """Forget a site that is gone."""
        for key in (self.key, self._checked):
            self.client.zrem(key, site.encode(errors="surrogateescape"))

    def silent_for(self) -> float:
        """Seconds since a process has last looked for due sites. Infinity if Redis does not know."""
        looked_at: Any = self.client.get(self._looked_at)
        now: Any = self.client.time()
        return now[0] + now[1] / 1e6 - float(looked_at) if looked_at else float("inf")


def of_bench() -> DueSites:
    """The sites of this bench."""
    return DueSites(redis_queue.client(), get_bench_id())


def seconds_anyway(site: str) -> float:
    """Seconds until a site is checked even if it has no work: at its group's part of each minute."""
    at = zlib.crc32(site.encode()) % (ANYWAY // GROUP) * GROUP
    return (at - time.time()) % ANYWAY or ANYWAY


def note_after_commit(epoch: float) -> None:
    """This transaction makes work that is due then. The site is checked at that time."""
    sql.after_any_commit(_note_committed, [epoch])


def forget() -> None:
    """Check this site no more."""
    redis_queue.if_there(partial(of_bench().drop, frappe.local.site))


def _note_committed(epochs: Sequence[float]) -> None:
    seconds = max(0.0, min(epochs) - clock.now_epoch())
    note = partial(of_bench().note, frappe.local.site, seconds)
    sql.best_effort(partial(redis_queue.if_there, note))
