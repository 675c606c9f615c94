"""Limits of a user's requests in a minute: one counter for each limit, in Frappe's cache Redis.

Frappe's own `rate_limit` counts by address, and two first requests at once reset its counter to 0.
"""

from __future__ import annotations

import frappe
from frappe import _

from dartwing_core.jobs.errors import RateLimitError
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.rq import redis_queue

WINDOW_SECONDS = 60
JOBS_PER_REQUEST = 100
"""A call about many jobs counts as one request for each begun group of so many jobs."""


def count_request(bucket: str, amount: int = 1) -> None:
    """Count `amount` requests of the current user against a limit of Job Engine Settings.

    The minute begins with the user's first request. Raises RateLimitError, and counts nothing, if these are too many.
    Counts nothing outside a web request. Nobody is refused while the cache's Redis is away or hangs.
    """
    if amount < 1 or not _is_request():
        return
    limit = _limit(bucket)
    if seconds := redis_queue.count_within(f"{bucket}:{frappe.session.user}", amount, limit, WINDOW_SECONDS):
        raise RateLimitError(
            _("Too many requests: at most {0} a minute. Try again in {1} seconds.").format(limit, seconds), seconds
        )


def count_jobs(bucket: str, jobs: int) -> None:
    """Count a request about so many jobs, which was counted as one before. Raises RateLimitError for too many."""
    amount, limit = _requests(jobs), _limit(bucket)
    if amount > limit and _is_request():
        text = _("Too much at once: this counts as {0} requests, and {1} a minute are allowed. Send less at once.")
        raise RateLimitError(text.format(amount, limit), WINDOW_SECONDS)
    count_request(bucket, amount - 1)


def count_retried(jobs: int) -> None:
    """Count a request that has retried so many jobs, which was counted as one before.

    It never counts more than a minute's limit. Otherwise a large batch could not be retried at all.
    """
    count_request("submit", min(_requests(jobs), _limit("submit")) - 1)


def _is_request() -> bool:
    return bool(getattr(frappe.local, "request", None))


def _limit(bucket: str) -> int:
    return int(getattr(config.settings(), f"{bucket}_limit"))


def _requests(jobs: int) -> int:
    return -(-jobs // JOBS_PER_REQUEST)
