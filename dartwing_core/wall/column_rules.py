"""Checks texts that Frappe writes into a query: each must be a column, or the field of a filter.

Frappe 15 takes some texts apart, and writes one after the other. So a text must match an allowed form. An absence of
suspicious parts is not enough: a quote in one text could begin what another one ends. `query_rules` calls these checks.

Anybody may send any text, of any length. So a pattern here reads no part of a text twice: a repeated part matches in
one way only, and a quote without an end matches the whole rest. A test sends texts that would be slow otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import frappe
from frappe import _

from dartwing_core.jobs.access.desk_access import REFERENCES, TENANT_DOCTYPES

from .request_texts import texts

LONGEST = 20_000
GUARDED = frozenset((*TENANT_DOCTYPES, *REFERENCES))
SINGLE, DOUBLE = r"'(?:[^'\\]|\\.)*'", r'"(?:[^"\\]|\\.)*"'
TEXTS = re.compile(
    rf"""(?P<text>{SINGLE}|{DOUBLE})|`[^`]*`|/\*(?!M?!).*?\*/|(?:--(?=\s|$)|\#)[^\n]*"""
    r"""|(?:['"]|/\*(?!M?!)).*""",
    re.DOTALL,
)
"""Quoted texts and comments, as MariaDB reads them, and last a quote or comment without an end. A comment that begins
with `/*!` is code: MariaDB runs its content."""
WORDS = re.compile(
    r"(?<![a-z_])(select|union|from|where|having|into|join)(?![a-z0-9_])|--|#|/\*|;"
    r"|\b(benchmark|sleep|get_lock|release_lock|load_file|extractvalue|updatexml)\s*\(",
    re.IGNORECASE,
)
"""Words of a query, comments, its end, and functions that wait or leak data by their errors."""
TABLE = r"`tab(?:[\w ]|-(?!-))*`"
NAME = rf"(({TABLE}|`(?!tab)\w+`|\w+)\.)?(`\w+`|\w+)"
"""A field, perhaps with a table or behind a link. Each quote is closed."""
PLAIN = re.compile(
    rf"(distinct )?({NAME}|({TABLE}\.)?\*)( (as )?(\w+|`[\w :.-]+`|'[\w :.-]+'))?( (asc|desc))?", re.IGNORECASE
)
"""A column with its alias, as Desk writes it. It is safe in all places where Frappe puts it."""
TITLE = r"""(?:[^'"`\\%#*;\x00-\x1f\x7f]|(?<!/)\*|%(?=[)'"`]))"""
TITLED = re.compile(
    rf"""(?P<column>.+?) as (`{TITLE}+`|'({TITLE}|"|'')+'|"({TITLE}|'|"")+")""", re.IGNORECASE | re.DOTALL
)
"""A column of a list with a title from a person. Only a doubled quote may stand in the title, as one of its characters,
and no comment begins there."""
SPACES = re.compile(" {2,}")
CALL = re.compile(
    r"(distinct )?\w* ?\(.*\)( (as )?(\w+|`[\w :.-]+`|'[\w :.-]+'))?( (asc|desc))?", re.IGNORECASE | re.DOTALL
)
TOKENS = re.compile(rf"""`[\w :.-]+`|{SINGLE}|{DOUBLE}|(['"]).*""", re.DOTALL)
VALUE = re.compile(r"\w+\((distinct )?(?P<arguments>[^()]*)\)( as \w+)?", re.IGNORECASE | re.ASCII)
"""A function in a lookup. The builder takes the text apart, and drops the rest."""
ARGUMENT = re.compile(rf"{NAME}|-\d+", re.IGNORECASE | re.ASCII)
MARKS = re.compile(rf"""`[^`]*`|{SINGLE}|{DOUBLE}|[(),]|(?P<open>['"]).*""", re.DOTALL)
UNQUOTED = re.compile(r"[\w\s.,()*+/<>=%:!-]*")
JOINS = frozenset({"left join", "inner join", "right join"})
TABLES = re.compile("|".join(f"tab{re.escape(doctype)}\\b" for doctype in sorted(GUARDED)), re.IGNORECASE)
FIELD = re.compile(rf"""{NAME}|ifnull\({NAME}, ?('[^'\\]*'|"[^"\\]*"|\w+)\)""", re.IGNORECASE)
"""A field of a filter, as people and Frappe's calendar name it."""
BY_FRAPPE = re.compile(r"ifnull\(`\w+`,''\)!=''|\((\w+) = '' or \1 is null\)")
"""Filters that Frappe itself writes as SQL when it counts the values of a field."""


def sql_within(shown: list[Any], others: list[str], join: Any, by_frappe: bool) -> str | None:
    """The error message for a query that holds SQL, or None. `by_frappe`: on any table, else only on guarded ones."""
    columns = columns_of((*texts(shown), *others))
    is_sql = not all(map(_is_column, columns)) or join not in JOINS
    return no_sql() if is_sql and (by_frappe or TABLES.search(" ".join(columns))) else None


def _is_column(text: str) -> bool:
    text = SPACES.sub(" ", text)
    if titled := TITLED.fullmatch(text):
        text = titled["column"]
    if PLAIN.fullmatch(text) or BY_FRAPPE.fullmatch(text):
        return True
    bare = TOKENS.sub(r"x\1", text) if CALL.fullmatch(text) else text
    return bool(UNQUOTED.fullmatch(bare)) and not WORDS.search(bare)


def columns_of(given: Iterable[str]) -> list[str]:
    """The single columns of these texts. Raises frappe.ValidationError for a text that is too long."""
    given = list(given)
    if any(len(text) > LONGEST for text in given):
        raise frappe.ValidationError(_("A list of columns must have at most {0} characters.").format(LONGEST))
    return [part.strip() for text in given for part in parts_of(text)]


def is_value(column: str) -> bool:
    """Whether lookups may read this column."""
    if not (call := VALUE.fullmatch(column)):
        return bool(PLAIN.fullmatch(column))
    return call["arguments"] == "*" or all(map(ARGUMENT.fullmatch, re.split(", ?", call["arguments"])))


def is_name(text: str) -> bool:
    """Whether lookups may filter, group and sort by this text."""
    return bool(PLAIN.fullmatch(text) or FIELD.fullmatch(text))


def without_strings(text: str) -> str:
    """The text without quoted texts, read from left to right as by MariaDB. Names in backticks and comments stay."""
    return TEXTS.sub(lambda token: "''" if token["text"] else token[0], text)


def parts_of(text: str) -> list[str]:
    """The parts between commas. Commas within parentheses or quotes do not count, but do if a quote has no end."""
    parts: list[str] = []
    begin, depth = 0, 0
    for mark in MARKS.finditer(text):
        if mark["open"]:
            return [*parts, *text[begin:].split(",")]
        depth += {"(": 1, ")": -1}.get(mark[0], 0)
        if mark[0] == "," and not depth:
            parts.append(text[begin : mark.start()])
            begin = mark.end()
    return [*parts, text[begin:]]


def sql_in_filters(filters: Any, doctype: Any, by_frappe: bool) -> str | None:
    """The error message for filters that are SQL, or None. `by_frappe`: on any DocType, else only on guarded ones."""
    given = [filters] if isinstance(filters, Mapping) else filters
    is_sql = any(map(_is_sql, given))
    is_ours = by_frappe or doctype in GUARDED or TABLES.search(" ".join(texts(filters)))
    return no_sql() if is_sql and is_ours else None


def _is_sql(one: Any) -> bool:
    if isinstance(one, str):
        return not BY_FRAPPE.fullmatch(one)
    return not all(map(_is_field, fields_of(one))) or _has_table(one)


def no_sql() -> str:
    """The message for a query that holds SQL of its own."""
    return _("A query must not hold SQL. Name fields, and filter by field and value.")


def _is_field(field: Any) -> bool:
    return bool(FIELD.fullmatch(str(field)))


def fields_of(one: Any) -> list[Any]:
    """The fields of a filter, which is an object, [field, operator, value] or [DocType, field, operator, value]."""
    if isinstance(one, Mapping):
        return list(one)
    return [one[0] if len(one) == 3 else one[1]] if isinstance(one, list | tuple) and len(one) > 2 else []


def _has_table(one: Any) -> bool:
    """Whether a filter names a table in place of its DocType."""
    return isinstance(one, list | tuple) and len(one) > 3 and "`" in str(one[0])
