"""Finds the function that issues a query, from Python's frames.

A request calls one function of Frappe's. Within it run hooks, controllers and scripts of apps.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import frappe

from . import by_request, wrapping

BUILDERS = ("database", "query_builder", "model.db_query", "model.qb_query", "model.utils")
"""Frappe's modules that issue queries for their callers."""
SAVING, OWN = ("model.", "permissions", *BUILDERS), ("dartwing_core.dartwing_core.", "dartwing_core.wall.")
"""Modules of Frappe's and ours that save and rename documents, and check permissions, for their callers."""
OVERRIDDEN = frozenset({"save", "_save", "insert", "submit", "cancel", "update", "check_if_latest"})
"""Methods of documents that controllers of apps override, and still call."""
SCRIPTS = ("safe_exec", "read_sql", "execute_query_report")
"""Frappe's functions that run code of people who may write code."""


def frames() -> Iterator[FrameType]:
    """The frames from the caller outwards."""
    frame: FrameType | None = sys._getframe(1)
    while frame:
        yield frame
        frame = frame.f_back


def frames_around_sql() -> Iterator[FrameType]:
    """The frames from the caller of `frappe.db.sql` outwards.

    Frappe's Recorder, Sentry and tests put a function of theirs in its place, and so between the caller and the wall.
    """
    found, code = [*frames()], getattr(frappe.local.db.sql, "__code__", None)
    called = next((place for place, frame in enumerate(found) if frame.f_code is code), -1)
    yield from found[called + 1 :]


def asks_for_others(frame: FrameType, builders: tuple[str, ...], own: tuple[str, ...]) -> bool:
    """Whether a frame is in one of these modules of Frappe's (`builders`) or of this app (`own`)."""
    module = frame.f_globals.get("__name__", "")
    root, _dot, inner = module.partition(".")
    is_builder = by_request.is_frappes(root) and (not inner or inner.startswith(builders))
    return is_builder or root == "pypika" or module.startswith((__name__, wrapping.__name__, *own))


def is_frappes(frame: FrameType) -> bool:
    """Whether a frame is Frappe's own, and runs no script."""
    return by_request.is_frappes(frame.f_globals.get("__name__", "")) and frame.f_code.co_name not in SCRIPTS


def frappe_asks(builders: tuple[str, ...], own: tuple[str, ...]) -> bool:
    """Whether a function of Frappe's issues the query, and not an app or a script within it."""
    frame = asking(builders, own)
    return frame is not None and is_frappes(frame)


def asking(
    builders: tuple[str, ...], own: tuple[str, ...], among: Iterator[FrameType] | None = None
) -> FrameType | None:
    """The function that issues the query: the nearest frame that does not act for its caller.

    `among`: the frames from the nearest outwards; by default all.
    """
    return next((frame for frame in among or frames() if not asks_for_others(frame, builders, own)), None)


def frappe_saves(document: Any) -> bool:
    """Whether a function of Frappe's changes or saves this document, and not an app or a script within it.

    A method of the document itself that an app has overridden acts for its caller.
    """
    for frame in frames():
        is_override = frame.f_code.co_name in OVERRIDDEN and frame.f_locals.get("self") is document
        if not is_override and not asks_for_others(frame, SAVING, OWN):
            return is_frappes(frame)
    return False


def stands_for_others() -> bool:
    """Whether the scheduler acts, as Administrator, on content that any user may have written."""
    is_frappes_own = by_request.is_by_request() and frappe.session.user == "Administrator"
    return bool(is_frappes_own) and not getattr(frappe.local, "request", None)
