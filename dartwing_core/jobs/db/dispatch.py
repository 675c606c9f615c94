"""Steps that may fail without failing their caller.

The rows are the truth, Redis is a doorbell (invariant I1): what fails after a commit is put right by the next sweep.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

import frappe
import redis
from rq.timeouts import BaseTimeoutException

from . import connection, sql

T = TypeVar("T")


def quietly(action: Callable[[], T], *, ends_time_limit: bool = False) -> T | None:
    """Run `action`, for which the caller's commit must not fail: an error is logged and its transaction undone.

    `ends_time_limit`: so is a time limit of RQ's that strikes meanwhile, for workers that have settled their job. It
    may have cut the connection off, which then is a new one.
    """
    try:
        return action()
    except redis.exceptions.RedisError as error:
        frappe.logger("dartwing_core").warning(f"Redis is not reachable; jobs wait for the next sweep: {error}")
    except Exception as error:
        if isinstance(error, BaseTimeoutException) and not ends_time_limit:
            raise  # it comes once only, and who swallows it lets a plain background job run for ever
        frappe.logger("dartwing_core").exception("A step was left to the next sweep")
        if ends_time_limit:
            connection.discard()
        else:
            with contextlib.suppress(Exception):
                sql.rollback()
    return None
