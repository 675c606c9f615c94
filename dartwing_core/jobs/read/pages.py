"""Pages of lists, and the arguments of lists as callers of Python and REST spell them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import frappe
from frappe import _
from frappe.utils import get_datetime
from pydantic import TypeAdapter, ValidationError
from pypika import Order
from pypika.queries import QueryBuilder, Table
from pypika.terms import Criterion

from ..errors import InvalidJobError
from ..lib import clock, sql
from ..lib.texts import cut

BOOLEAN = TypeAdapter(bool)
MAX_LIMIT = 100
MAX_TOTAL = 10_000
SORTABLE = ("creation", "modified", "status", "priority", "available_at", "started_at", "completed_at")


def newest_page(table: Table, columns: Sequence[str], condition: Criterion, limit: Any, offset: Any) -> dict[str, Any]:
    """A page of a table's rows, newest first: `{rows, total, limit, offset}`, bounded like `list_jobs`."""
    query = frappe.qb.from_(table).select(*(table[name] for name in columns)).where(condition)
    query = query.orderby(table.creation, order=Order.desc).orderby(table.name, order=Order.desc)
    return page(condition, table, limit, offset, lambda limit, offset: query.limit(limit).offset(offset))


def page(
    condition: Criterion, table: Table, limit: Any, offset: Any, query_of: Callable[[int, int], QueryBuilder]
) -> dict[str, Any]:
    """`{rows, total, limit, offset}` of the rows of a table that meet the condition.

    `query_of`: makes the query of a page from its bounded limit and offset.
    """
    limit, offset = bounded(limit, "limit", 1, MAX_LIMIT), bounded(offset, "offset", 0, 10**9)
    rows = query_of(limit, offset).run(as_dict=True)
    return {"rows": rows, "total": sql.count(table, condition, MAX_TOTAL), "limit": limit, "offset": offset}


def public(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns with times in ISO 8601 with offset."""
    return {key: clock.isoformat(value) if isinstance(value, datetime) else value for key, value in row.items()}


# Arguments. Each raises InvalidJobError for a value that it can't read. ----------------------------------------------


def text(value: Any, argument: str) -> str | None:
    """A text. None for an empty one."""
    # The query builder writes the values of a list, which a report's filter may be, into the statement.
    if value and not isinstance(value, str):
        raise InvalidJobError(_("{0} must be text.").format(argument))
    return value or None


def narrowed(condition: Criterion, table: Table, **filters: Any) -> Criterion:
    """`condition`, narrowed to these fields' values. Ignores empty ones."""
    for field, value in filters.items():
        if text(value, field):
            condition &= table[field] == value
    return condition


def check_choice(argument: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse a given value that is not among the choices."""
    if value and value not in choices:
        raise InvalidJobError(_("Unknown {0}: {1}. Use one of: {2}.").format(argument, cut(value), ", ".join(choices)))


def bounded(value: Any, argument: str, lowest: int, highest: int) -> int:
    """A whole number, cut to the bounds."""
    with suppress(TypeError, ValueError, OverflowError):
        return min(max(int(value), lowest), highest)
    raise InvalidJobError(_("{0} must be a whole number.").format(argument))


def flag(value: Any, argument: str) -> bool | None:
    """Yes or no, also as the texts that REST takes. None if it is not given."""
    with suppress(ValidationError):
        return None if value in (None, "") else BOOLEAN.validate_python(value)
    raise InvalidJobError(_("{0} must be true or false.").format(argument))


def moment(value: Any, argument: str) -> datetime:
    """A moment in the site's time."""
    with suppress(Exception):  # whatever Frappe's parser of dates raises
        found = clock.parse(value) if isinstance(value, str) else get_datetime(value)
        if found is not None:
            return clock.site_time(found.timestamp()) if found.tzinfo else found
    raise InvalidJobError(_("{0} is not a date: {1}.").format(argument, cut(value)))


def order(order_by: str) -> tuple[str, Order]:
    """Column and direction of an order such as "creation desc"."""
    column, _space, direction = str(order_by or "creation desc").strip().lower().partition(" ")
    if column not in SORTABLE or direction.strip() not in ("", "asc", "desc"):
        raise InvalidJobError(_("order_by must be one of: {0}; with asc or desc.").format(", ".join(SORTABLE)))
    return column, Order.desc if direction.strip() == "desc" else Order.asc
