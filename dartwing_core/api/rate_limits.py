"""How many requests a user may make in a minute: one counter each in Frappe's cache Redis.

Frappe's own `rate_limit` counts by address, and two first requests at once set its counter back to 0.
"""

from __future__ import annotations

import frappe
from frappe import _

from dartwing_core.jobs import config, counters
from dartwing_core.jobs.errors import RateLimitError

WINDOW_SECONDS = 60


def take(bucket: str, amount: int = 1) -> None:
    """Count `amount` requests of the current user against a limit of Job Engine Settings.

    The minute begins with the user's first request. Raises RateLimitError, and counts nothing, if they are too many.
    Without Redis nobody is refused.
    """
    limit = getattr(config.settings(), f"{bucket}_limit")
    if seconds := counters.take(f"{bucket}:{frappe.session.user}", amount, limit, WINDOW_SECONDS):
        raise RateLimitError(
            _("Too many requests: at most {0} a minute. Try again in {1} seconds.").format(limit, seconds), seconds
        )
