"""Counting within a time window, in Frappe's cache Redis."""

from __future__ import annotations

from typing import Any

import frappe
import redis

from .redis_server import Availability, client_of

# Read and count in one step: no two requests get one last place, and a refused request takes none.
_COUNT_WITHIN = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if used + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return math.max(redis.call('TTL', KEYS[1]), 1) end
redis.call('INCRBY', KEYS[1], ARGV[1])
if used == 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 0
"""
availability = Availability()


def count_within(name: str, amount: int, limit: int, seconds: int) -> int:
    """Count `amount` under this name, and return 0. Beyond `limit`, count nothing and return the seconds to wait.

    The window of so many seconds begins with the first counted one. Nothing is counted or refused while Redis is
    away or hangs.
    """
    key = frappe.cache.make_key(f"dartwing_core:limit:{name}")
    wait: Any = availability.if_there(lambda: _client().eval(_COUNT_WITHIN, 1, key, amount, limit, seconds))
    return int(wait or 0)


def _client() -> redis.Redis:
    """A client for the cache's Redis that gives up soon. Frappe's own waits for an answer as long as Redis hangs."""
    if frappe.conf.get("redis_cache_sentinel_enabled"):
        return frappe.cache
    return client_of(frappe.conf.redis_cache)
