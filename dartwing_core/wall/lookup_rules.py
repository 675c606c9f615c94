"""Checks what Frappe's query builder gets: on 15 it looks up rows without permissions, on 16 it makes every query.

The rules of `query_rules` for fields and filters hold here too (15). Further rules:

- A DocType that is no child table is queried without a parent: Frappe adds no permissions to a query whose parent is a
  Single. Child rows are only those of the parent's DocType: Frappe joins them by the parent's name alone. (16)
- A query of Frappe's own functions has at most MOST_FILTERS filters: Frappe nests them, and takes minutes to write the
  error for a thousand. (16)
- A title, or another field behind a link to ours, is empty where that document is hidden. Frappe leaves out the row.
  (16)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import frappe
from frappe import _

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import TENANT_DOCTYPES

from . import by_request, callers, wrapping
from .column_rules import columns_of, is_name, is_value, no_sql, sql_within
from .frappe_version import IS_15
from .mentions import kind_fields, links_to_ours, meta_of
from .query_rules import OWN, found_by, offence, refuse
from .request_texts import texts

if TYPE_CHECKING:
    from frappe.database.query import Engine, LinkTableField
    from pypika.queries import QueryBuilder

Join: TypeAlias = "Callable[[LinkTableField, QueryBuilder, Engine | None], QueryBuilder]"
MOST_FILTERS = 800


def _with_checked_names(get_query: Callable[..., QueryBuilder]) -> Callable[..., QueryBuilder]:
    """Frappe's other query builder, which looks up single values of a row, without permissions."""

    @functools.wraps(get_query)
    def checked(
        self: Engine,
        table: Any,
        fields: Any = None,
        filters: Any = None,
        order_by: Any = None,
        group_by: Any = None,
        *arguments: Any,
        **named: Any,
    ) -> QueryBuilder:
        if by_request.FLAG in frappe.flags:
            ordered = [text.strip() for text in str(order_by or "").split(",")]
            others = [*_looked_up_by(filters), *ordered, *texts(group_by)]
            refuse(found_by(lambda by_frappe: _offence_of_lookup(table, list(texts(fields)), others, by_frappe)))
        return get_query(self, table, fields, filters, order_by, group_by, *arguments, **named)

    return checked


def _looked_up_by(filters: Any) -> list[str]:
    """The fields of a lookup's filters. A text or a list of texts there holds names of rows, so no fields."""
    if isinstance(filters, Mapping):
        return [str(field) for field in filters]
    if not isinstance(filters, list | tuple):
        return []
    found = [one[1] if len(one) > 3 else one[0] for one in filters if isinstance(one, list | tuple) and one]
    return [*map(str, found), *(str(field) for one in filters if isinstance(one, Mapping) for field in one)]


def _offence_of_lookup(table: Any, shown: list[str], others: list[str], by_frappe: bool) -> str | None:
    found = sql_within(shown, others, "left join", by_frappe)
    if found or not by_frappe:
        return found
    if not (all(map(is_value, columns_of(shown))) and all(map(is_name, filter(None, others)))):
        return no_sql()
    return offence(table, shown, others) if isinstance(table, str) else None


def _without_false_parents(get_query: Callable[..., QueryBuilder]) -> Callable[..., QueryBuilder]:
    """The query builder of Frappe 16, with a limit of filters, and parents only for child rows."""

    @functools.wraps(get_query)
    def checked(self: Engine, table: Any, *arguments: Any, **named: Any) -> QueryBuilder:
        if by_request.is_by_request():
            _limit_filters((*arguments, *named.values()))
        if named.get("parent_doctype") and by_request.FLAG in frappe.flags and isinstance(table, str):
            meta = meta_of(table)
            if meta and not meta.istable:
                named["parent_doctype"] = None
            elif meta and not named.get("ignore_permissions", True) and (links_to_ours(table) or kind_fields(table)):
                query = get_query(self, table, *arguments, **named)
                return query.where(frappe.qb.DocType(table).parenttype == named["parent_doctype"])
        return get_query(self, table, *arguments, **named)

    return checked


def _limit_filters(arguments: Sequence[Any]) -> None:
    """Raise ValidationError for more than MOST_FILTERS in one argument, unless the user sees everything."""
    if any(map(_are_too_many, arguments)) and callers.frappe_asks(callers.BUILDERS, OWN):
        if visibility.sees_everything(frappe.session.user):
            return
        raise frappe.ValidationError(_("{0}: at most {1} at once.").format("filters", MOST_FILTERS))


def _are_too_many(filters: Any) -> bool:
    """Whether these are too many filters, in groups or not. Names and values do not count."""
    count, groups = 0, [filters]
    while groups and count <= MOST_FILTERS:
        group = groups.pop()
        if isinstance(group, Mapping):
            count += len(group)
        elif isinstance(group, list | tuple) and not (group and isinstance(group[0], str)):  # else a filter, or names
            inner = [one for one in group if isinstance(one, list | tuple | Mapping)]
            count += len(inner)
            groups += inner
    return count > MOST_FILTERS


def _hiding_only_what_is_linked(apply_join: Join) -> Join:
    """Frappe leaves out rows of other DocTypes whose link to ours is empty, or leads to a hidden document."""

    @functools.wraps(apply_join)
    def joined(self: LinkTableField, query: QueryBuilder, engine: Engine | None = None) -> QueryBuilder:
        table, main = frappe.qb.DocType(self.doctype), frappe.qb.DocType(self.parent_doctype)
        if self.doctype not in TENANT_DOCTYPES or not (engine and engine.apply_permissions) or query.is_joined(table):
            return apply_join(self, query, engine)
        is_linked = table.name == main[self.link_fieldname]
        is_visible = engine.get_permission_conditions(self.doctype, table)
        return query.left_join(table).on(is_linked & is_visible if is_visible else is_linked)

    return joined


_queries = frappe.get_module("frappe.database.query")
Lookup = _queries.Engine
_get_query = _with_checked_names if IS_15 else _without_false_parents
wrapping.replace(Lookup, "get_query", _get_query, has_flag_of_request=True)
if not IS_15:
    wrapping.replace(_queries.LinkTableField, "apply_join", _hiding_only_what_is_linked)
