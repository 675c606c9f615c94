"""Puts the rules in the places of Frappe's functions, on sites that have this app.

A worker and a web process serve all sites of a bench. So a function that a rule replaces serves sites without the app,
too. There, it is Frappe's own.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

import frappe

import dartwing_core

from . import by_request

APP = "dartwing_core"
SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(dartwing_core.__file__)))

ORIGINALS: dict[tuple[Any, str], Callable[..., Any]] = {}
"""Frappe's own functions, by the class or module that has them, and their names."""

Function = TypeVar("Function", bound=Callable[..., Any])


def is_installed() -> bool:
    """Whether the site has this app. Frappe keeps the answer while a request or job runs, so no statement is needed."""
    if by_request.FLAG in (getattr(frappe.local, "flags", None) or ()):
        return True  # one of our hooks has run
    return getattr(frappe.local, "db", None) is not None and APP in frappe.get_installed_apps()


def replace(
    owner: Any, name: str, rule: Callable[[Any], Callable[..., Any]], *, has_flag_of_request: bool = False
) -> None:
    """Put the function that `rule` makes of Frappe's own in its place. Sites without this app still get Frappe's own.

    `has_flag_of_request`: the new function itself does what Frappe's own does wherever `by_request.FLAG` is not set.
    Then it needs no further question, which counts in functions that run for each query.
    """
    own = getattr(owner, name)
    ORIGINALS.setdefault((owner, name), own)
    ruled = passing_on(rule(own))
    setattr(owner, name, ruled if has_flag_of_request else passing_on(_on_sites_with_the_app(ruled, own)))


def _on_sites_with_the_app(ruled: Callable[..., Any], own: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(ruled)
    def chosen(*arguments: Any, **named: Any) -> Any:
        return (ruled if is_installed() else own)(*arguments, **named)

    return chosen


def passing_on(function: Function) -> Function:
    """The function, as one whose frame in a traceback blames nobody.

    Frappe 16 takes an error for that of the app whose folder is in the path of a frame. This one's path is relative.
    """
    if isinstance(function, FunctionType):
        path = os.path.relpath(function.__code__.co_filename, SOURCES)
        function.__code__ = function.__code__.replace(co_filename=path)
    return function
