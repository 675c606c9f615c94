"""Steps that may fail without failing their caller.

The rows are the truth, Redis is a doorbell (invariant I1). So the next sweep repairs a step that failed after a commit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

import frappe

from . import sql
from .server_errors import BaseTimeoutException, RedisError

T = TypeVar("T")


def run(action: Callable[[], T]) -> T | None:
    """Run `action` without failing the caller: an error is logged and its transaction undone."""
    try:
        return action()
    except RedisError as error:
        frappe.logger("dartwing_core").warning(f"Redis is not reachable; jobs wait for the next sweep: {error}")
    except BaseTimeoutException:
        raise  # it comes only once: swallowed, it would let a plain background job run for ever
    except Exception:
        frappe.logger("dartwing_core").exception("A step was left to the next sweep")
        with contextlib.suppress(Exception):
            sql.rollback()
    return None
