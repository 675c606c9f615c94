"""The last net below `guard` and `query_rules`: what a statement reads, whichever function of Frappe's made it.

Frappe 15 has functions that write what they are told into SQL, and no list of them is ever complete. But what they are
told gets into a statement on another table. So no statement that one of Frappe's functions makes for a person names a
table of ours, of sessions or of passwords beside another one. (15, 16)

Exempt are what this app itself asks, its conditions within lists, lists of our own DocTypes, which `query_rules` looks
at, and scripts of people who may write code.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import frappe

from dartwing_core.jobs import access
from dartwing_core.jobs.desk_access import ORGANIZATION, OWN_CONDITION, TENANT_DOCTYPES

from . import links, query_rules

SECRETS = frozenset({"__auth", "tabsessions"})
"""Each of them stands alone in Frappe's own statements."""
OURS = frozenset(f"tab{doctype}".lower() for doctype in TENANT_DOCTYPES)
TITLES = f"tab{ORGANIZATION}".lower()
"""Lists show the titles of what they link to."""
TABLE = re.compile(r"`((?:tab|__)[^`]+)`|\b(tab[A-Z]\w*|__[A-Za-z]\w*)")
BUILDERS = ("database", "query_builder", "model.db_query", "model.qb_query", "model.utils")
"""Modules of Frappe's that ask for others."""
SCRIPTS = ("safe_exec", "read_sql", "execute_query_report")
"""Functions of Frappe's that run what people have written who may write code."""


def _guarded(statement: str) -> set[str]:
    """What of it is named. Each statement comes here, and a regular expression would take ten times as long."""
    lower = statement.lower()
    return {name for name in (*SECRETS, *OURS) if name in lower}


def _is_mixed(statement: str, guarded: set[str]) -> bool:
    """Whether it names what is guarded, and another table."""
    named = guarded | {(quoted or bare).lower() for quoted, bare in TABLE.findall(statement)}
    return bool(guarded & SECRETS and len(named) > 1) or bool(guarded & OURS and named - OURS)


def _is_known(guarded: set[str]) -> bool:
    """Whether this app asks, a script, or one of the lists that `query_rules` has looked at."""
    for frame in _frames():
        query = frame.f_locals.get("self")
        is_list = type(query).__name__ == "DatabaseQuery" and not guarded & SECRETS
        if is_list and (guarded == {TITLES} or query.doctype in TENANT_DOCTYPES):
            return True
        module = frame.f_globals.get("__name__", "")
        root, _dot, inner = module.partition(".")
        is_frappes = links.is_frappes(root)
        if is_frappes and frame.f_code.co_name in SCRIPTS:
            return True
        is_builder = is_frappes and (not inner or inner.startswith(BUILDERS))
        if not (is_builder or root == "pypika" or module in (__name__, query_rules.__name__)):
            return root == __name__.partition(".")[0]
    return False


def _frames() -> Iterator[FrameType]:
    """From whoever asks outwards."""
    frame: FrameType | None = sys._getframe(2)
    while frame:
        yield frame
        frame = frame.f_back


def _wrapped(sql):
    @functools.wraps(sql)
    def checked(self, query, *arguments, **named):
        if frappe.flags.get(links.FLAG):
            _check(query if isinstance(query, str) else str(query))
        return sql(self, query, *arguments, **named)

    return checked


def _check(statement: str) -> None:
    if not _guarded(statement):
        return
    statement = OWN_CONDITION.sub("", statement)
    guarded = _guarded(statement)
    if _is_mixed(statement, guarded) and not _is_known(guarded) and not access.sees_everything(frappe.session.user):
        raise frappe.PermissionError(query_rules.no_sql())


_Database: Any = frappe.get_module("frappe.database.database").Database
_Database.sql = _wrapped(_Database.sql)
