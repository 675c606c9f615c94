"""All rows of the organizations' work: to see whether anything has changed, and to put them back."""

from __future__ import annotations

from typing import Any

import frappe

from .doors import BATCH, CIRCUIT, DEPENDENCY, JOB, LOG, RUN, SCHEDULE
from .world import Work

OF_ORGANIZATION = (JOB, BATCH, CIRCUIT, SCHEDULE, LOG)
OF_JOB = (RUN, DEPENDENCY)
THEIRS = "organization LIKE 'Test %%'"
OF_THEIRS = f"background_job IN (SELECT name FROM `tab{JOB}` WHERE {THEIRS})"
Rows = dict[str, list[dict[str, Any]]]


def all_rows() -> Rows:
    """The rows of the organizations, by DocType, as committed now."""
    frappe.db.rollback()
    found = {one: _select(one, THEIRS) for one in OF_ORGANIZATION}
    return found | {one: _select(one, OF_THEIRS) for one in OF_JOB}


def _select(doctype: str, condition: str) -> list[dict[str, Any]]:
    return frappe.db.sql(f"SELECT * FROM `tab{doctype}` WHERE {condition} ORDER BY name", as_dict=True)


def put_back(rows: Rows) -> None:
    """Let the rows be as they were. Committed."""
    frappe.db.rollback()
    for doctype in OF_JOB:
        frappe.db.sql(f"DELETE FROM `tab{doctype}` WHERE {OF_THEIRS}")
    for doctype in OF_ORGANIZATION:
        frappe.db.sql(f"DELETE FROM `tab{doctype}` WHERE {THEIRS}")
    for doctype, found in rows.items():
        for row in found:
            frappe.qb.into(frappe.qb.DocType(doctype)).columns(*row).insert(*row.values()).run()
    frappe.db.commit()


def of_work(rows: Rows, work: Work) -> list[str]:
    """Those of these rows that belong to a person's work."""
    user = work.names["user"]
    jobs = {row["name"] for row in rows[JOB] if row["owner_user"] == user}
    owned = [row for doctype in (JOB, BATCH, SCHEDULE) for row in rows[doctype] if row["owner_user"] == user]
    owned += [row for doctype in (*OF_JOB, LOG) for row in rows[doctype] if row["background_job"] in jobs]
    return [str(row) for row in owned]
