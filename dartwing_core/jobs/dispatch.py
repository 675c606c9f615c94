"""From the database to RQ.

The rows are the truth, Redis is a doorbell (invariant I1): whatever fails after the commit is put right by the next
sweep, so nothing there may fail a caller whose data is already committed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import frappe
import redis
from rq.timeouts import BaseTimeoutException

from . import redis_queue, sql

T = TypeVar("T")


def in_own_transaction(
    queue: Callable[[], list[Mapping[str, Any]]], also: Callable[[redis.client.Pipeline], None] | None = None
) -> list[Mapping[str, Any]]:
    """Commit what `queue()` moved to Queued, then ring for it, with whatever `also` adds to the round trip; returns
    what it moved.

    Redis has just answered the caller, or `queue()` asks it: if it is not there, the jobs stay where they are and the
    next sweep takes them.
    """
    jobs = sql.committed(queue)
    client = redis_queue.client()
    redis_queue.push(redis_queue.without_taken(jobs, client), client, also)
    return jobs


def quietly(action: Callable[[], T]) -> T | None:
    """Run `action`, for which the caller's commit must not fail: an error is logged and its transaction undone."""
    try:
        return action()
    except redis.exceptions.RedisError as error:
        frappe.logger("dartwing_core").warning(f"Redis is not reachable; jobs wait for the next sweep: {error}")
    except BaseTimeoutException:
        raise  # it comes once only, and who swallows it lets a plain background job run for ever
    except Exception:
        frappe.logger("dartwing_core").exception("A step was left to the next sweep")
        with contextlib.suppress(Exception):
            sql.rollback()
    return None
