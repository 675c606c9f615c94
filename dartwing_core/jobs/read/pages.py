"""Pages of rows, newest first, and how many rows there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import frappe
from frappe.query_builder.functions import Count
from pypika import Order
from pypika.queries import QueryBuilder, Table
from pypika.terms import Criterion

from ..lib import clock, config
from .list_arguments import bounded

MAX_LIMIT = 100
MAX_TOTAL = 10_000


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
    limit, offset = bounded(limit, 1, MAX_LIMIT, "limit"), bounded(offset, 0, 10**9, "offset")
    rows = query_of(limit, offset).run(as_dict=True)
    total = total_query(condition, table).run()[0][0]
    return {"rows": rows, "total": total, "limit": limit, "offset": offset}


def total_query(condition: Criterion, table: Table | None = None) -> QueryBuilder:
    """How many jobs (or rows of `table`) there are, up to MAX_TOTAL: counting a million takes too long for people."""
    table = table or frappe.qb.DocType(config.JOB)
    counted = frappe.qb.from_(table).select(table.name).where(condition).limit(MAX_TOTAL).as_("counted")
    return frappe.qb.from_(counted).select(Count("*"))


def public(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns with times in ISO 8601 with offset."""
    return {key: clock.isoformat(value) if isinstance(value, datetime) else value for key, value in row.items()}
