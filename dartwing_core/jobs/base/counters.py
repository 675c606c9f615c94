"""Counting within a time window, in Frappe's cache Redis."""

from __future__ import annotations

import frappe

from .outside_errors import RedisError

# Read and count in one step: no two requests get one last place, and a refused request takes none.
_COUNT_WITHIN = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if used + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return math.max(redis.call('TTL', KEYS[1]), 1) end
redis.call('INCRBY', KEYS[1], ARGV[1])
if used == 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 0
"""


def count_within(name: str, amount: int, limit: int, seconds: int) -> int:
    """Count `amount` under this name, and return 0. Beyond `limit`, count nothing and return the seconds to wait.

    The window of so many seconds begins with the first counted one. Without Redis nothing is refused.
    """
    key = frappe.cache.make_key(f"dartwing_core:limit:{name}")
    try:
        return int(frappe.cache.eval(_COUNT_WITHIN, 1, key, amount, limit, seconds))
    except RedisError:
        return 0
