"""Limits of a user's requests in a minute: one counter for each limit, in Frappe's cache Redis.

Frappe's own `rate_limit` counts by address, and two first requests at once reset its counter to 0.
"""

from __future__ import annotations

import frappe
from frappe import _

from dartwing_core.jobs.errors import RateLimitError
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.rq import redis_queue

from .arguments import requests_for_jobs

WINDOW_SECONDS = 60
RETRY_AFTER = "dartwing_retry_after"
"""In `frappe.flags`: seconds, for the header Retry-After of an answer that Frappe makes."""


def count_request(bucket: str, amount: int = 1) -> None:
    """Count `amount` requests of the current user against a limit of Job Engine Settings.

    The minute begins with the user's first request. Raises RateLimitError, and counts nothing, if these are too many.
    Nobody is refused while the cache's Redis is away or hangs.
    """
    limit = _limit(bucket)
    _check_amount(amount, limit)
    if seconds := redis_queue.count_within(f"{bucket}:{frappe.session.user}", amount, limit, WINDOW_SECONDS):
        raise RateLimitError(
            _("Too many requests: at most {0} a minute. Try again in {1} seconds.").format(limit, seconds), seconds
        )


def count_rest(bucket: str, amount: int) -> None:
    """Count the rest of a request that counts as `amount`. It was counted as one before its arguments were read.

    Raises RateLimitError if the rest is too much.
    """
    _check_amount(amount, _limit(bucket))
    if amount > 1:
        count_request(bucket, amount - 1)


def count_jobs(bucket: str, jobs: int) -> None:
    """Count a request for all the jobs that it started. It was counted as one before.

    It never counts more than a minute's limit. Otherwise a large batch could not be retried at all.
    """
    count_rest(bucket, min(requests_for_jobs(jobs), _limit(bucket)))


def _limit(bucket: str) -> int:
    return int(getattr(config.settings(), f"{bucket}_limit"))


def _check_amount(amount: int, limit: int) -> None:
    if amount > limit:
        text = _("Too much at once: this counts as {0} requests, and {1} a minute are allowed. Send less at once.")
        raise RateLimitError(text.format(amount, limit), WINDOW_SECONDS)


def count_view() -> None:
    """Count a view of a card, chart or report in Desk. Counts nothing outside a web request."""
    if not getattr(frappe.local, "request", None):
        return
    try:
        count_request("desk")
    except RateLimitError as error:
        frappe.flags[RETRY_AFTER] = error.retry_after
        frappe.msgprint(str(error), indicator="red")
        raise
