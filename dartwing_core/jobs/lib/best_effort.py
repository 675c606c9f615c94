"""Steps that may fail without failing their caller.

The rows are the truth, Redis is a doorbell (invariant I1). So the next sweep repairs a step that failed after a commit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

import frappe

from . import connection, sql
from .server_errors import BaseTimeoutException, RedisError

T = TypeVar("T")


def run(action: Callable[[], T], *, ends_time_limit: bool = False) -> T | None:
    """Run `action` without failing the caller: an error is logged and its transaction undone.

    `ends_time_limit`: treat RQ's time limit so, too, in workers that have settled their job. It may have cut the
    connection off, which is then renewed.
    """
    try:
        return action()
    except RedisError as error:
        frappe.logger("dartwing_core").warning(f"Redis is not reachable; jobs wait for the next sweep: {error}")
    except Exception as error:
        if isinstance(error, BaseTimeoutException) and not ends_time_limit:
            raise  # it comes only once: swallowed, it would let a plain background job run for ever
        frappe.logger("dartwing_core").exception("A step was left to the next sweep")
        if ends_time_limit:
            connection.discard()
        else:
            with contextlib.suppress(Exception):
                sql.rollback()
    return None
