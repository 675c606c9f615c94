"""The last net below `guard` and `query_rules`: what a statement reads, whichever function of Frappe's made it.

Frappe 15 has functions that write what they are told into SQL, and no list of them is ever complete. But what they are
told gets into a statement on another table. So no statement that one of Frappe's functions makes for a person names a
table of ours beside another one. Sessions and passwords are read for nobody but by the modules that keep them: some
of Frappe's functions are told which table to look into. (15, 16)

Exempt are what apps and scripts ask themselves, conditions that permissions add to lists, and what lists join.

And whoever asks: no value is filled in between quotes. Frappe, and apps whose functions it calls, write filters into
the text of a statement and then fill it in with other arguments. The quotes of one would end those of the filter, and
what it holds would be SQL. (15, 16)
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from numbers import Number
from typing import Any

import frappe
from frappe import _

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import TENANT_DOCTYPES

from . import callers, column_rules, links, query_rules, sent_names
from .frappe_version import IS_15

SECRETS = frozenset({"__auth", "tabsessions", "processlist"})
"""Each of them stands alone in Frappe's own statements; the last one tells what others ask."""
KEEPERS = ("sessions", "utils.password", "core.doctype.user.user", "custom.doctype.custom_field.custom_field")
"""Modules of Frappe's that ask for sessions and passwords: to log in and out, to list the own sessions, to keep keys
and passwords, and to rename the field of one."""
OURS = frozenset(f"tab{doctype}".lower() for doctype in TENANT_DOCTYPES)
GUARDED = (*SECRETS, *OURS, "#mysql50#")
"""And a prefix with which a server takes the name of a table as it is encoded."""
TABLE = re.compile(
    r"`((?:tab|__)[^`]+)`|(?<!`)\b((?-i:tab[A-Z]\w*)|tabsessions|taborganization|processlist|__[a-z]\w*)", re.IGNORECASE
)
NESTED = re.compile(r"--|#|/\*|(?<![\w.`])(select|union|with)\b", re.IGNORECASE)
"""Where a query within another begins, or a comment; the statement's own first word is cut off."""
COUNTED = re.compile(
    r"\s*(?:set statement max_statement_time=\d+ for )?select count\(\*\) from \((.*)\) p\s*", re.DOTALL | re.IGNORECASE
)
"""How Frappe counts a list, on 16 for a second at most; it is the list that is judged."""
BY_NAME, BY_PLACE = re.compile(r"%(?!\(\w+\)[sd])"), re.compile(r"%(?![sd])")
"""A placeholder that makes something else of the text than it shows."""
NAMED = re.compile(r"%\((\w+)\)s")
CONDITIONS = "dartwing_conditions"
"""In `frappe.flags`: what permissions have added to lists, ours and those of other apps, which are no part of what is
told."""
WRAPPERS = (__name__, query_rules.__name__, sent_names.__name__)
"""Modules of this app that stand between Frappe's functions and the database."""


def _is_named(statement: str) -> bool:
    """Whether something that is guarded may be named. Each statement comes here: a look, and no regular expression."""
    lower = statement.lower()
    return any(name in lower for name in GUARDED)


def _is_plain(code: str, own: set[str] | None) -> bool:
    """Whether it is one query on tables that go together: what is guarded alone, for who may ask for it, or `own`."""
    if NESTED.search(code.strip()[6:]):
        return False
    named = _named(code)
    if named & SECRETS:
        return len(named) == 1 and _may_know_secrets()
    if own is not None:
        return not {name for name in named if name not in own and re.sub(r"_\d+$", "", name) not in own}
    return not (named & OURS and named - OURS)


def _may_know_secrets() -> bool:
    """Whether one of KEEPERS asks, or an app or a script."""
    frame = callers.asking(callers.BUILDERS, WRAPPERS)
    module = frame.f_globals.get("__name__", "") if frame else ""
    return frame is not None and (not callers.is_frappes(frame) or module.partition(".")[2] in KEEPERS)


def _named(code: str) -> set[str]:
    """All tables that are named, and words that might be the names of some."""
    return {(quoted or bare).lower() for quoted, bare in TABLE.findall(code)}


def _is_known(code: str) -> tuple[bool, set[str] | None]:
    """Whether an app or a script asks; and the tables of the list for which Frappe asks, if it is one."""
    for frame in callers.frames():
        query = frame.f_locals.get("self")
        if isinstance(query, query_rules.Query):
            return False, _tables_of(query, code)
        if not callers.asks_for_others(frame, callers.BUILDERS, WRAPPERS):
            return not callers.is_frappes(frame), None
    return False, None


def _tables_of(query: Any, code: str) -> set[str]:
    """Those that it joins by itself; on 16, which lets nobody write more, all that are named."""
    if not IS_15:
        return _named(code)
    joined = [table.table_name for table in getattr(query, "link_tables", ())]
    return {str(table).strip("`").lower() for table in (*query.tables, *joined)}


def _wrapped(sql):
    @functools.wraps(sql)
    def checked(self, query, *arguments, **named):
        if frappe.flags.get(links.FLAG):
            check(str(query), arguments[0] if arguments else named.get("values"))
        return sql(self, query, *arguments, **named)

    return checked


def check(statement: str, values: Any) -> None:
    """Raise PermissionError if a function of Frappe's must not issue this statement with these values."""
    odd = BY_NAME if isinstance(values, Mapping) else BY_PLACE
    template = statement.replace("%%", "__") if values else ""
    if _fills_a_text(template, values) and not visibility.sees_everything(frappe.session.user):
        raise frappe.PermissionError(_("A filter holds no placeholder of a query, such as %(user)s."))
    is_odd = odd.search(template)
    if not (_is_named(statement) or is_odd):
        return
    for condition in sorted(frappe.flags.get(CONDITIONS) or (), key=len, reverse=True):  # one may hold another
        statement = statement.replace(condition, "1")
    code = column_rules.without_strings(statement)  # of the whole, so that each quote is what it is taken for
    if counted := COUNTED.fullmatch(code):
        code = counted[1]
    if not is_odd and (not _is_named(code) or _is_plain(code, None)):
        return
    is_known, own = _is_known(code)
    if not (
        is_known or (own and not is_odd and _is_plain(code, own)) or visibility.sees_everything(frappe.session.user)
    ):
        raise frappe.PermissionError(column_rules.no_sql())


def _fills_a_text(template: str, values: Any) -> bool:
    """Whether a value that gets quotes, which numbers do not, goes to a place between quotes."""
    if "'" not in template and '"' not in template:
        return False
    quoted = "".join(token[0] for token in column_rules.TEXTS.finditer(template) if token[0][0] in "'\"")
    if isinstance(values, Mapping):
        filled = [values.get(name) for name in NAMED.findall(quoted)]
    else:
        filled = (values if isinstance(values, list | tuple) else [values]) if "%s" in quoted else []
    return not all(isinstance(value, Number) for value in filled)


def _remembering(get_conditions):
    @functools.wraps(get_conditions)
    def remembered(*arguments, **named):
        found = get_conditions(*arguments, **named)
        if frappe.flags.get(links.FLAG) and isinstance(found, str | list):
            texts = [found] if isinstance(found, str) else [one.get_sql() for one in found]
            known = frappe.flags.setdefault(CONDITIONS, set())
            known.update(form for text in texts if text for form in (text, text.replace("%", "%%")))
        return found

    return remembered


_Database: Any = frappe.get_module("frappe.database.database").Database
_Database.sql = _wrapped(_Database.sql)
_Lists: Any = query_rules.Query if IS_15 else query_rules.Lookup
_Lists.get_permission_query_conditions = _remembering(_Lists.get_permission_query_conditions)
