"""What tests of secret parameters submit, and where a secret must not be found."""

from __future__ import annotations

from typing import Any

import frappe

from . import factory

TOKEN = "s3cret-token"
GIVEN = {"url": "https://example.com", "token": TOKEN}
TABLES = ("Background Job", "Background Job Run", "Job Execution Log", "Job Schedule", "Version", "Deleted Document")


def typed(handler: str, **values: Any) -> str:
    """A Job Type of this handler of `typed_handlers`."""
    return factory.job_type(handler, f"{factory.TYPED}.{handler}", **values)


def tables_with(text: str) -> list[str]:
    """The tables of which a row holds this text in any column."""
    found = []
    for doctype in filter(frappe.db.table_exists, TABLES):
        rows = frappe.db.sql(f"SELECT * FROM `tab{doctype}`")
        if any(text in str(value) for row in rows for value in row):
            found.append(doctype)
    return found
