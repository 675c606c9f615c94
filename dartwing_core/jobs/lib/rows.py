"""Parts of statements for all tables of the engine: Frappe's standard columns, and the SET of an UPDATE."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import frappe
from pypika.queries import QueryBuilder

STANDARD = ("name", "creation", "modified", "owner", "modified_by", "docstatus", "idx")
"""Columns that Frappe gives to every table."""


def standard_values(name: str, owner: str, now: datetime) -> tuple[Any, ...]:
    """The values of STANDARD for a new row."""
    return name, now, now, owner, owner, 0, 0


def standard_columns(name: str, owner: str, now: datetime) -> dict[str, Any]:
    """The values of STANDARD for a new row, by column."""
    return dict(zip(STANDARD, standard_values(name, owner, now), strict=True))


def insert_row(doctype: str, row: Mapping[str, Any]) -> None:
    """Insert one row, whose values may be expressions of the query builder."""
    frappe.qb.into(frappe.qb.DocType(doctype)).columns(*row).insert(*row.values()).run()


def update_query(doctype: str, values: Mapping[str, Any]) -> QueryBuilder:
    """An UPDATE that sets these columns. The caller adds the condition."""
    table = frappe.qb.DocType(doctype)
    query = frappe.qb.update(table)
    for column, value in values.items():
        query = query.set(table[column], value)
    return query
