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

from . import sql

T = TypeVar("T")


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
