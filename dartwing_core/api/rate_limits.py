"""How many requests a user may make in a minute: one counter each in Frappe's cache Redis.

Frappe's own `rate_limit` counts by address, and two first requests at once set its counter back to 0.
"""

from __future__ import annotations

import frappe
import redis.exceptions
from frappe import _

from dartwing_core.jobs import config
from dartwing_core.jobs.errors import RateLimitError

WINDOW_SECONDS = 60

# Look and count in one step: no two requests can take the same last place, and a refused one takes none.
_TAKE = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if used + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return math.max(redis.call('TTL', KEYS[1]), 1) end
redis.call('INCRBY', KEYS[1], ARGV[1])
if used == 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 0
"""


def take(bucket: str, amount: int = 1) -> None:
    """Count `amount` requests of the current user against a limit of Job Engine Settings.

    The minute begins with the user's first request. Raises RateLimitError, and counts nothing, if they are too many.
    Without Redis nobody is refused.
    """
    limit = getattr(config.settings(), f"{bucket}_limit")
    key = frappe.cache.make_key(f"dartwing_core:limit:{bucket}:{frappe.session.user}")
    try:
        seconds = int(frappe.cache.eval(_TAKE, 1, key, amount, limit, WINDOW_SECONDS))
    except redis.exceptions.RedisError:
        return
    if seconds:
        raise RateLimitError(
            _("Too many requests: at most {0} a minute. Try again in {1} seconds.").format(limit, seconds), seconds
        )
