"""Corrects the engine's rows of Scheduled Job Type. Frappe runs none that was made, or ran last, in the future.

A change of the site's time zone puts them there. The setup wizard makes one on a new site, by up to a day.
"""

from __future__ import annotations

from datetime import datetime

import frappe

from ..lib import clock, sql

DOCTYPE = "Scheduled Job Type"
METHODS = "dartwing\\_core.%"


def put_right(now: datetime | None = None) -> int:
    """Set times that lie in the future back to now. Returns how many values. Commits.

    For workers, scheduler and command line (invariant I2).
    """
    return sql.committed(lambda: set_back(now or clock.site_time()))


def set_back(now: datetime) -> int:
    """Set times that lie in the future back, in the caller's transaction. `now` is in the site's time zone."""
    row, number = frappe.qb.DocType(DOCTYPE), 0
    for column in ("creation", "last_execution"):
        names = frappe.qb.from_(row).select(row.name).where(row.method.like(METHODS) & (row[column] > now))
        if found := names.run(pluck=True):
            query = frappe.qb.update(row).set(row[column], now).where(row.name.isin(found) & (row[column] > now))
            number += sql.run_update(query, by_name=True)
    return number
