"""The last net below `guard` and `query_rules`: checks the tables of each statement that a function of Frappe's issues.

Frappe 15 has functions that write request texts into SQL, and no list of these functions is ever complete. But such a
text gets into a statement on another table. So a statement that Frappe's functions issue for a person may not name a
table of ours beside another one. Only the modules that keep sessions and passwords may read those: some of Frappe's
functions let the request name a table. (15, 16)

Exempt are statements of apps and scripts, conditions that permissions add to lists, and tables that lists join.

A second rule holds for apps and scripts as well: no value is filled in between quotes. Frappe, and apps whose functions
it calls, write filters into the text of a statement, and then fill in other arguments. The quotes of an argument would
end those of the filter, and its content would be SQL. (15, 16)
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Mapping
from numbers import Number
from types import FrameType
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import TENANT_DOCTYPES

from . import by_request, callers, column_rules, lookup_rules, query_rules, sent_names, wrapping
from .frappe_version import IS_15
from .joined_conditions import in_parentheses

if TYPE_CHECKING:
    from frappe.database.database import Database

SECRETS = frozenset({"__auth", "tabsessions", "processlist"})
"""Tables that stand alone in Frappe's own statements. The last one shows the statements of others."""
KEEPERS = ("sessions", "utils.password", "core.doctype.user.user", "custom.doctype.custom_field.custom_field")
"""Frappe's modules that read sessions and passwords: to log in and out, to list the user's own sessions, to keep keys
and passwords, and to rename a password field."""
OURS = frozenset(f"tab{doctype}".lower() for doctype in TENANT_DOCTYPES)
GUARDED = (
    *(name for name in (*SECRETS, *OURS) if not any(name.startswith(other) for other in OURS - {name})),
    "#mysql50#",
)
"""How the names of guarded tables begin, and the prefix after which MariaDB reads such a name in its encoded form."""
TABLE = re.compile(
    r"`((?:tab|__)[^`]+)`|(?<!`)\b((?-i:tab[A-Z]\w*)|tabsessions|taborganization|processlist|__[a-z]\w*)", re.IGNORECASE
)
NESTED = re.compile(r"--|#|/\*|(?<![\w.`])(select|union|with)\b", re.IGNORECASE)
"""The beginning of a second query or of a comment. The statement's own first word is cut off before the search."""
COUNTED = re.compile(
    r"\s*(?:set statement max_statement_time=\d+ for )?select count\(\*\) from \((.*)\) p\s*", re.DOTALL | re.IGNORECASE
)
"""Frappe's statement that counts a list, on 16 for a second at most. The list within is checked."""
BY_NAME, BY_PLACE = re.compile(r"%(?!\(\w+\)[sd])"), re.compile(r"%(?![sd])")
"""An odd placeholder: after it is filled in, the text differs from what it shows."""
NAMED = re.compile(r"%\((\w+)\)s")
CONDITIONS = "dartwing_conditions"
"""In `frappe.flags`: conditions that permissions, ours and other apps', have added to lists. No request wrote them."""
CHECKING = "dartwing_checking"
"""In `frappe.flags`: whether a statement is being checked. Those that the check itself needs are not."""
API_LIST = ("api.v2", "document_list")
WRAPPERS = (__name__, lookup_rules.__name__, query_rules.__name__, sent_names.__name__)
"""Modules of this app that stand between Frappe's functions and the database."""


def _is_named(statement: str) -> bool:
    """Whether a guarded table may be named. Runs for each statement: so by no regular expression, and no generator."""
    lower = statement.lower()
    for name in GUARDED:  # noqa: SIM110
        if name in lower:
            return True
    return False


def _is_plain(code: str, own: set[str] | None) -> bool:
    """Whether the statement is one query on tables that may stand together.

    `own`: the tables of a list, which then may name only those. Otherwise our tables stand without others. A secret
    table stands alone, in a query of its keepers.
    """
    if NESTED.search(code.strip()[6:]):
        return False
    named = _named(code)
    if named & SECRETS:
        return len(named) == 1 and _may_know_secrets()
    if own is not None:
        return not {name for name in named if name not in own and re.sub(r"_\d+$", "", name) not in own}
    return not (named & OURS and named - OURS)


def _may_know_secrets() -> bool:
    """Whether one of KEEPERS issues the query, or an app or a script."""
    frame = callers.asking(callers.BUILDERS, WRAPPERS, callers.frames_around_sql())
    module = frame.f_globals.get("__name__", "") if frame else ""
    return frame is not None and (not callers.is_frappes(frame) or module.partition(".")[2] in KEEPERS)


def _named(code: str) -> set[str]:
    """All named tables, and words that might be names of tables."""
    return {(quoted or bare).lower() for quoted, bare in TABLE.findall(code)}


def _is_known(code: str) -> tuple[bool, set[str] | None]:
    """Whether an app or a script issues the query; and the tables of the list, if Frappe issues it for a list."""
    for frame in callers.frames_around_sql():
        query = frame.f_locals.get("self")
        if isinstance(query, query_rules.Query) or _is_list_of_api(frame):
            return False, _tables_of(query, code)
        if not callers.asks_for_others(frame, callers.BUILDERS, WRAPPERS):
            return not callers.is_frappes(frame), None
    return False, None


def _is_list_of_api(frame: FrameType) -> bool:
    """Whether this is the function of Frappe 16 for lists by REST, which makes its query without a Query."""
    module = frame.f_globals.get("__name__", "").partition(".")[2]
    return not IS_15 and callers.is_frappes(frame) and (module, frame.f_code.co_name) == API_LIST


def _tables_of(query: Any, code: str) -> set[str]:
    """The tables that a list joins by itself. On 16 all named tables: there a request can't add any."""
    if not IS_15:
        return _named(code)
    joined = [table.table_name for table in getattr(query, "link_tables", ())]
    return {str(table).strip("`").lower() for table in (*query.tables, *joined)}


def _wrapped(sql: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(sql)
    def checked(self: Database, query: Any, *arguments: Any, **named: Any) -> Any:
        if by_request.is_by_request() and not frappe.flags.get(CHECKING):
            check(str(query), arguments[0] if arguments else named.get("values"))
        return sql(self, query, *arguments, **named)

    return checked


def check(statement: str, values: Any) -> None:
    """Raise PermissionError if a function of Frappe's must not issue this statement with these values."""
    odd = BY_NAME if isinstance(values, Mapping) else BY_PLACE
    template = statement.replace("%%", "__") if values else ""
    if _fills_a_text(template, values) and not _sees_everything():
        raise frappe.PermissionError(_("A filter must not hold a placeholder, such as %(user)s."))
    is_odd = odd.search(template)
    if not (_is_named(statement) or is_odd):
        return
    for condition in sorted(frappe.flags.get(CONDITIONS) or (), key=len, reverse=True):  # one may hold another
        statement = statement.replace(condition, "1")
    code = column_rules.without_strings(statement)  # of the whole statement, so that each quote is read correctly
    if counted := COUNTED.fullmatch(code):
        code = counted[1]
    if not is_odd and (not _is_named(code) or _is_plain(code, None)):
        return
    is_known, own = _is_known(code)
    if not (is_known or (own and not is_odd and _is_plain(code, own)) or _sees_everything()):
        raise frappe.PermissionError(column_rules.no_sql())


def _sees_everything() -> bool:
    frappe.flags[CHECKING] = True
    try:
        return visibility.sees_everything(frappe.session.user)
    finally:
        frappe.flags[CHECKING] = False


def _fills_a_text(template: str, values: Any) -> bool:
    """Whether a value that gets quotes, so no number, goes to a place between quotes."""
    if "'" not in template and '"' not in template:
        return False
    quoted = "".join(token[0] for token in column_rules.TEXTS.finditer(template) if token[0][0] in "'\"")
    if isinstance(values, Mapping):
        filled: Collection[Any] = [values.get(name) for name in NAMED.findall(quoted)]
    else:
        filled = (values if isinstance(values, list | tuple) else [values]) if "%s" in quoted else []
    return not all(isinstance(value, Number) for value in filled)


def _remembering(get_conditions: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(get_conditions)
    def remembered(*arguments: Any, **named: Any) -> Any:
        found = get_conditions(*arguments, **named)
        if by_request.is_by_request() and isinstance(found, str | list):
            texts = [found] if isinstance(found, str) else [one.get_sql() for one in found]
            known = frappe.flags.setdefault(CONDITIONS, set())
            known.update(form for text in texts if text for form in (text, text.replace("%", "%%")))
        return found

    return remembered


_Database: Any = frappe.get_module("frappe.database.database").Database
wrapping.replace(_Database, "sql", _wrapped, has_flag_of_request=True)
_Lists: Any = query_rules.Query if IS_15 else lookup_rules.Lookup
if IS_15:
    wrapping.replace(_Lists, "get_permission_query_conditions", in_parentheses)
wrapping.replace(_Lists, "get_permission_query_conditions", _remembering, has_flag_of_request=True)
