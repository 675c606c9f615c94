"""Who asks: the frames of Python's that lead to a call.

A request calls one function of Frappe's, but apps have their say within it: hooks, controllers, scripts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

from . import links

BUILDERS = ("database", "query_builder", "model.db_query", "model.qb_query", "model.utils")
"""Modules of Frappe's that ask for others."""
SCRIPTS = ("safe_exec", "read_sql", "execute_query_report")
"""Functions of Frappe's that run what people have written who may write code."""


def frames() -> Iterator[FrameType]:
    """From whoever calls this outwards."""
    frame: FrameType | None = sys._getframe(1)
    while frame:
        yield frame
        frame = frame.f_back


def asks_for_others(frame: FrameType, builders: tuple[str, ...], own: tuple[str, ...]) -> bool:
    """Whether it is in one of these modules of Frappe's, or of this app."""
    module = frame.f_globals.get("__name__", "")
    root, _dot, inner = module.partition(".")
    is_builder = links.is_frappes(root) and (not inner or inner.startswith(builders))
    return is_builder or root == "pypika" or module.startswith((__name__, *own))


def is_frappes(frame: FrameType) -> bool:
    """Whether it is Frappe's own, and runs no script."""
    return links.is_frappes(frame.f_globals.get("__name__", "")) and frame.f_code.co_name not in SCRIPTS


def frappe_asks(builders: tuple[str, ...], own: tuple[str, ...]) -> bool:
    """Whether it is a function of Frappe's that asks, and not an app or a script that has its say within one."""
    frame = asking(builders, own)
    return frame is not None and is_frappes(frame)


def asking(builders: tuple[str, ...], own: tuple[str, ...]) -> FrameType | None:
    """The function that asks; not those that ask for others."""
    return next((frame for frame in frames() if not asks_for_others(frame, builders, own)), None)
