"""Checks the fields, filters and orders of queries, in every spelling, sent or stored.

All of Frappe's lists, reports, charts, cards and exports call one function, which is wrapped here: for requests and
jobs of a site with this app (see `links`), and for people who do not see everything. The rules:

- Fields of a higher permission level are also hidden from filters, groups and orders: Frappe removes them only from
  its answer. (15)
- `link.field` leads to no row of ours, and to no organization of the adapter's: Frappe joins the linked rows without a
  permission. (15)
- A query holds no second query, and no end of a query, since either can read any table. Frappe looks for a second query
  only at the beginning of a field. (15)
- A filter is no bare text, and its field is a name: Frappe writes both into the query unchanged, before the conditions
  of permissions. (15)
- The name of a column holds no backtick, which would end it: PyPika 0.48 writes the name unchanged. (15, and 16
  with that PyPika)
- A value holds no backslash that would end its quotes, where a query becomes text: the query builder doubles only
  quotes, and MariaDB takes the character after a backslash literally. (15, 16)

The last four rules are for texts that Frappe's own functions get. Queries that other apps write may not name our
tables. `lookup_rules` keeps the rules for fields and filters also where Frappe looks up one row.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import frappe
import pypika.queries
import pypika.terms
import pypika.utils
from frappe import _

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import ORGANIZATION, TENANT_DOCTYPES
from dartwing_core.jobs.base import config

from . import by_request, callers, references, wrapping
from .column_rules import (
    GUARDED,
    fields_of,
    no_sql,
    parts_of,
    sql_in_filters,
    sql_within,
    without_strings,
)
from .doctypes import tenant_doctype
from .frappe_version import IS_15
from .mentions import fields_that_link_to_ours, organization_elsewhere
from .request_texts import listed, parsed, texts

if TYPE_CHECKING:
    from frappe.model.db_query import DatabaseQuery

Quote: TypeAlias = Callable[[Any, "str | None"], str]
"""Writes a text between quotes of this kind, without quotes for None."""

HIDDEN = {
    config.JOB: ("rq_job_id", "connection_id"),
    config.RUN: ("traceback", "worker", "rq_job_id", "connection_id", "state"),
    config.LOG: ("worker",),
}
"""Fields with a permission level, in the DocTypes that members read. A test compares this with the DocTypes."""
OWN = ("dartwing_core.wall.",)
LINK_OPTIONS = "get_link_options"
SHOWN, FILTERS, OTHERS = "fields", ("filters", "or_filters"), ("group_by", "order_by")
ALIAS = re.compile("|".join(rf"tab{re.escape(doctype)}_\d" for doctype in sorted(GUARDED)), re.IGNORECASE)
"""Frappe's alias in a query for the table behind a link."""
TITLE = re.compile(r"(\w+)\.(org_name|title)(?: as (\w+))?")
"""Desk requests the titles of links with every list. Those of hidden organizations are removed from its rows, and those
of all schedules: they are not unique, so a title does not tell whose it is."""
TITLE_FIELDS = {ORGANIZATION: "org_name", config.SCHEDULE: "title"}


def offence(doctype: str, shown: list[Any], others: list[str]) -> str | None:
    """The error message for a query on fields that Frappe's permissions do not protect, or None.

    `shown`: the query's fields, as Frappe takes them. `others`: the texts by which it filters, groups and sorts.
    """
    return _misspelled(doctype) or _hidden_field(doctype, shown, others) or _join(doctype, shown, others)


def _shown(query: Mapping[str, Any]) -> list[Any]:
    shown = query.get(SHOWN)
    if isinstance(shown, str) and parsed(shown) is None:
        return shown.split(",")  # as Frappe does
    return listed(shown) or [shown]


def _as_taken(query: Mapping[str, Any]) -> dict[str, Any]:
    """The query with fields and filters swapped, if Frappe 15 would swap them by their looks."""
    fields, filters = query.get(SHOWN), query.get("filters")
    is_filters = isinstance(fields, dict) or (fields and isinstance(fields, list) and isinstance(fields[0], list))
    is_fields = fields and isinstance(filters, list) and len(filters) > 1 and isinstance(filters[0], str)
    return {**query, SHOWN: filters, "filters": fields} if is_filters or is_fields else dict(query)


def _others(query: Mapping[str, Any]) -> list[str]:
    conditions = [text for key in FILTERS for text in _filtered_by(query.get(key))]
    plucked = [f"`{query['pluck']}`"] if query.get("pluck") else []
    return [*conditions, *(text for key in OTHERS for text in texts(query.get(key))), *plucked]


def _filtered_by(filters: Any) -> list[str]:
    """The fields of filters, or the texts in place of fields. Not the compared values."""
    inner = parsed(filters)
    if isinstance(inner, str) or inner is None:
        return [filters] if isinstance(filters, str) else []
    if isinstance(inner, Mapping):
        return [str(field) for field in inner]
    if not isinstance(inner, list | tuple):
        return []
    if len(inner) > 2 and isinstance(inner[0], str) and not any(isinstance(one, list | Mapping) for one in inner[:-1]):
        return [str(field) for field in fields_of(inner)]
    return [text for one in inner for text in ([one] if isinstance(one, str) else _filtered_by(one))]


def _misspelled(doctype: str) -> str | None:
    """The error message for another spelling of our DocTypes, or None.

    A server that ignores the case of table names finds our tables, but Frappe finds none of the hooks for them.
    """
    is_ours = tenant_doctype(doctype) not in (None, doctype)
    return _("{0} {1} not found").format(_("DocType"), doctype) if is_ours else None


def _hidden_field(doctype: str, shown: list[Any], others: list[str]) -> str | None:
    if doctype not in HIDDEN:
        return None
    # Frappe removes a plain field from its answer, but not one within a function. It checks only the first column.
    within = [text for text in texts(shown) if re.search("[(, ]", text.strip())]
    has_many = any(len(parts_of(text)) > 1 for text in texts(shown))
    asked = [without_strings(text) for text in (*within, *others)]
    for field in HIDDEN[doctype]:
        if has_many or any(re.search(rf"\b{field}\b", text, re.IGNORECASE) for text in asked):
            meta = frappe.get_meta(doctype)
            if meta.get_field(field).permlevel not in meta.get_permlevel_access("read"):
                return _("You may not read the field {0}, or filter or sort by it.").format(_(field))
    return None


def _join(doctype: str, shown: list[Any], others: list[str]) -> str | None:
    """The error message for fields of ours behind a link, or None. Titles may be requested."""
    joined = [text for text in (*texts(shown), *others) if "." in text]
    elsewhere = organization_elsewhere(doctype) if joined else {}
    fields = fields_that_link_to_ours(doctype) | elsewhere if joined else {}
    titles = {*_titles(shown, fields), *_titles_elsewhere(shown, elsewhere)}
    asked = [text for text in (*texts(shown), *others) if "." in text and (text not in titles or text in others)]
    if any(re.search(rf"\b{field}\W*\.", text) for field in fields for text in asked) or any(map(ALIAS.search, asked)):
        return _("Fields of background jobs can't be read through a link.")
    return None


def _titles(shown: list[Any], fields: Mapping[str, str]) -> dict[str, re.Match[str]]:
    """The columns for titles of our documents, by their text. `fields`: links to ours, and where they lead."""
    found = {text: title for text in texts(shown) if fields and (title := TITLE.fullmatch(text))}
    return {text: title for text, title in found.items() if TITLE_FIELDS.get(fields.get(title[1], "")) == title[2]}


def _titles_elsewhere(shown: list[Any], fields: Mapping[str, str]) -> set[str]:
    """The columns for titles of the adapter's organizations."""
    titles = {field: frappe.get_meta(kind).get_title_field() for field, kind in fields.items()}
    forms = [re.compile(rf"{field}\.{title}(?: as \w+)?") for field, title in titles.items()]
    return {text for text in texts(shown) if any(form.fullmatch(text) for form in forms)}


# The functions in which Frappe makes queries --------------------------------------------------------------------------


def refuse(found: str | None, user: str | None = None) -> None:
    """Raise PermissionError with this message, if there is one, unless the users see everything.

    Looks at the users last, since that takes queries. `user`: for whom the query runs, perhaps not the session's user.
    """
    if found and not all(map(visibility.sees_everything, {user or frappe.session.user, frappe.session.user})):
        raise frappe.PermissionError(found)


def found_by(judge: Callable[[bool], str | None]) -> str | None:
    """The error message of `judge`, by the rules for Frappe's functions, or by those for apps if an app queries."""
    by_frappe = frappe.flags[by_request.FLAG]
    found = judge(by_frappe)
    is_theirs = found and by_frappe and not callers.frappe_asks(callers.BUILDERS, OWN)
    return judge(False) if is_theirs else found


def _wrapped(execute: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(execute)

    @functools.wraps(execute)
    def checked(self: DatabaseQuery, *arguments: Any, **named: Any) -> Any:
        if by_request.FLAG in frappe.flags and isinstance(self.doctype, str):
            bound = signature.bind(self, *arguments, **named)
            given = _as_taken(bound.arguments) if IS_15 else bound.arguments
            shown, others = _shown(given), _others(given)
            join = given.get("join", "left join")
            found = found_by(lambda by_frappe: sql_within(shown, others, join, by_frappe)) if IS_15 else None
            if given.get("as_list") or given.get("pluck"):
                others += _titles(shown, fields_that_link_to_ours(self.doctype))
            is_permitted = given.get("ignore_permissions")
            refuse(found or (None if is_permitted else offence(self.doctype, shown, others)), given.get("user"))
            if is_permitted and self.doctype in TENANT_DOCTYPES and _is_for_a_web_form():
                bound.arguments["ignore_permissions"] = False
                return execute(*bound.args, **bound.kwargs) if frappe.has_permission(self.doctype) else []
            if frappe.flags[by_request.FLAG] and not is_permitted:
                return _without_hidden_titles(self.doctype, shown, execute(self, *arguments, **named))
        return execute(self, *arguments, **named)

    return checked


def _without_hidden_titles(doctype: str, shown: list[Any], rows: Any) -> Any:
    """Rows without the titles of organizations that the user does not see, and of schedules."""
    if not rows or not isinstance(rows, list) or not any("." in text for text in texts(shown)):
        return rows
    fields = fields_that_link_to_ours(doctype)
    titles = [(title[3] or title[2], fields[title[1]]) for title in _titles(shown, fields).values()]
    if not titles or visibility.sees_everything(frappe.session.user):
        return rows
    for column, linked in titles:
        cells = [row for row in rows if isinstance(row, dict) and column in row]
        names = [row[column] for row in cells] if linked == ORGANIZATION else []
        visible = {*references.visible_of(ORGANIZATION, names)} if names else set()
        for row in cells:
            row[column] = row[column] if row[column] in visible else None
    return rows


def _is_for_a_web_form() -> bool:
    """Whether the query is for a link field of a Web Form: Frappe offers all rows to everybody who opens the form."""
    return any(frame.f_code.co_name == LINK_OPTIONS for frame in callers.frames())


def _with_checked_filters(build: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(build)
    def checked(self: DatabaseQuery, filters: Any, *arguments: Any, **named: Any) -> None:
        if by_request.FLAG in frappe.flags:
            refuse(found_by(lambda by_frappe: sql_in_filters(filters, self.doctype, by_frappe)), self.user)
        return build(self, filters, *arguments, **named)

    return checked


def _with_checked_quotes(quote: Quote) -> Quote:
    @functools.wraps(quote)
    def checked(value: Any, quote_char: str | None) -> str:
        if quote_char == "'" and isinstance(value, str) and "\\" in value and _needs_escapes():
            value = value.replace("\\", "\\\\")
        if quote_char == "`" and isinstance(value, str) and "`" in value and by_request.is_by_request():
            refuse(found_by(lambda by_frappe: no_sql() if by_frappe else None))
        return quote(value, quote_char)

    return checked


def _needs_escapes() -> bool:
    return by_request.FLAG in frappe.flags and frappe.db.db_type == "mariadb"


for _module in (pypika.utils, pypika.terms, pypika.queries):
    wrapping.replace(_module, "format_quotes", _with_checked_quotes, has_flag_of_request=True)
Query = frappe.get_module("frappe.model.db_query" if IS_15 else "frappe.model.qb_query").DatabaseQuery
wrapping.replace(Query, "execute", _wrapped, has_flag_of_request=True)
if IS_15:
    wrapping.replace(Query, "build_filter_conditions", _with_checked_filters, has_flag_of_request=True)
