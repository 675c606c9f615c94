"""The columns of Job Schedule, and the SQL on them.

The sweep writes its columns of a schedule by SQL and leaves `modified` alone. So a form that is open meanwhile can
still be saved.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import frappe

from ..access import content
from ..lib import clock, config, sql
from ..lib.dml import update_query
from ..lib.row_types import Columns

WORK_FIELDS = ("job_type", "priority", "parameters")
TIMING_FIELDS = ("frequency", "cron", "every", "every_unit", "time_zone", "enabled")
STATE_FIELDS = (
    *("next_run", "last_run", "last_job", "last_error", "last_error_at"),
    *("refusals", "next_run_epoch", "look_at_epoch", "anchor_epoch"),
)
"""The fields that only the engine writes."""
FIELDS = (
    *("name", "title", "organization", "owner_user", *WORK_FIELDS, *TIMING_FIELDS, "missed_runs", "catch_up_limit"),
    *STATE_FIELDS,
)
COLUMNS, STATE_COLUMNS = content.columns(FIELDS), content.columns(STATE_FIELDS)
ScheduleRow: TypeAlias = dict[str, Any]
"""FIELDS of a schedule."""


def due(epoch: float, limit: int) -> list[str]:
    """The names of schedules that are due for a check by now, the longest due first."""
    text = """
        SELECT name FROM `tabJob Schedule` WHERE enabled = 1 AND look_at_epoch <= %s ORDER BY look_at_epoch LIMIT %s"""
    return frappe.db.sql(text, (epoch, limit), pluck=True)


def lock_due(name: str, epoch: float) -> ScheduleRow | None:
    """Lock a due schedule until the commit, and return its columns. None if it is locked or not due any more."""
    schedule = frappe.qb.DocType(config.SCHEDULE)
    query = frappe.qb.from_(schedule).select(*(schedule[column] for column in COLUMNS))
    query = query.where((schedule.name == name) & (schedule.enabled == 1) & (schedule.look_at_epoch <= epoch))
    rows: list[ScheduleRow] = sql.run_locking_read(query.for_update(skip_locked=True), as_dict=True)
    return content.shown(rows[0]) if rows else None


def lock_state(name: str) -> Columns | None:
    """Lock a schedule until the transaction ends, and return the engine's columns as committed now."""
    schedule = frappe.qb.DocType(config.SCHEDULE)
    query = frappe.qb.from_(schedule).select(*(schedule[column] for column in STATE_COLUMNS))
    rows: list[Columns] = sql.run_locking_read(query.where(schedule.name == name).for_update(), as_dict=True)
    return rows[0] if rows else None


def load(name: str) -> ScheduleRow | None:
    """The schedule's fields, opened, but for the parameters: `schedule_form.parameters_of`."""
    row: ScheduleRow | None = frappe.db.get_value(config.SCHEDULE, name, COLUMNS, as_dict=True)
    return content.shown(row) if row else None


def update(name: str, values: Columns) -> None:
    """Write some of STATE_FIELDS, or `enabled`."""
    schedule = frappe.qb.DocType(config.SCHEDULE)
    sql.run_update(update_query(config.SCHEDULE, content.sealed(values)).where(schedule.name == name), by_name=True)


def next_columns(epoch: float | None) -> Columns:
    """The columns of the next due time, at which the schedule is checked. `epoch`: None if there is none."""
    moment = clock.site_time(epoch) if epoch is not None else None
    return {"next_run": moment, "next_run_epoch": epoch or 0, "look_at_epoch": epoch or 0}


def run_key(name: str, which: float | str) -> str:
    """The unique key of a schedule's job: schedule and due time, or for a run by hand the job's own name."""
    return f"{name}@{which if isinstance(which, str) else int(which)}"


def schedule_of(key: str | None) -> str | None:
    """The schedule for which a job was made."""
    return key.partition("@")[0] if key else None
