"""Schedules, and a clock that tests set."""

from __future__ import annotations

import time
from typing import Any

import frappe
import pytest
from frappe.model.document import Document

from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.schedules import recurrence

from . import contents, factory


class Wall:
    """The engine's clock: stands still, and goes where a test sets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, epoch: float):
        self.epoch = epoch
        monkeypatch.setattr(clock, "now_epoch", lambda: self.epoch)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.epoch += seconds


def document(job_type: str, /, **values: Any) -> Document:
    """A Job Schedule of Test Alpha, each hour unless said otherwise; not saved."""
    plain = {"title": "Report", "organization": factory.ALPHA, "job_type": job_type}
    plain |= {"frequency": "Cron", "cron": "0 * * * *", "time_zone": "Europe/Berlin"}
    return frappe.get_doc({"doctype": "Job Schedule", **plain, **values})


def made(job_type: str, /, **values: Any) -> Document:
    """The same, saved and committed."""
    found = document(job_type, **values).insert()
    frappe.db.commit()
    return found


def every(minutes: int, **values: Any) -> dict[str, Any]:
    """The fields of an interval."""
    return {"frequency": "Interval", "cron": None, "every": minutes, "every_unit": "Minutes", **values}


def due_in(schedule: Document, seconds: float) -> int:
    """Let the next run of a schedule with an interval be due so soon, and return when; not committed."""
    due = round(time.time() + seconds)
    interval = schedule.every * recurrence.UNITS[schedule.every_unit]
    values = {"anchor_epoch": due - interval, "next_run_epoch": due, "look_at_epoch": due}
    frappe.db.set_value("Job Schedule", schedule.name, values)
    return due


def due_times(schedule: Document) -> list[float]:
    """The due times for which a schedule has jobs, in order."""
    frappe.db.rollback()
    keys = frappe.db.sql(
        "SELECT schedule_run FROM `tabBackground Job` WHERE schedule_run LIKE %s", f"{schedule.name}@%"
    )
    return sorted(float(key.partition("@")[2]) for (key,) in keys)


def state(schedule: Document) -> dict[str, Any]:
    """Its columns as committed now."""
    frappe.db.rollback()
    return contents.opened_row(frappe.db.get_value("Job Schedule", schedule.name, "*", as_dict=True))
