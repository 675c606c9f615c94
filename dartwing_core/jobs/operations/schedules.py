"""The operations on schedules, for Desk, REST and Python. Making and changing one is saving its document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from ..access import content, visibility
from ..after.after_commit import undone_on_error
from ..errors import ScheduleNotFoundError
from ..job import history, record
from ..lib import clock
from ..lib.tables import SCHEDULE
from ..lib.texts import cut
from ..read import pages
from ..schedules import recurrence, schedule_runs, schedule_store
from ..schedules.recurrence import Recurrence
from ..schedules.schedule_store import ScheduleRow
from ..status import JobStatus
from ..submit import submission
from ..types import handlers

NEXT = 5
_HIDDEN = frozenset({"name", "next_run_epoch", "look_at_epoch", "anchor_epoch", "parameters"})


def list_schedules(
    organization: str | None = None, enabled: bool | None = None, limit: int = 20, offset: int = 0
) -> dict[str, Any]:
    """Schedules that the user may see, newest first: `{schedules, total, limit, offset}`, bounded like `list_jobs`."""
    condition = visibility.viewer().visible(SCHEDULE, pages.text(organization, "organization"))
    if (is_enabled := pages.flag(enabled, "enabled")) is not None:
        condition &= SCHEDULE.enabled == int(is_enabled)
    page = pages.newest_page(SCHEDULE, schedule_store.COLUMNS, condition, limit, offset)
    return {"schedules": _public([content.shown(row) for row in page.pop("rows")]), **page}


def get_schedule(schedule_id: str) -> dict[str, Any]:
    """A schedule with its parameters and its next due times (ISO 8601, by its own time zone).

    Raises ScheduleNotFoundError for a missing or invisible one.
    """
    found, now = visible_schedule(schedule_id), clock.now_epoch()
    return {
        **_public([found])[0],
        "parameters": handlers.shown_parameters(found["job_type"], schedule_store.parameters_of(found)),
        "next_runs": _next_runs(recurrence.parse(found, now), now) if found["enabled"] else [],
    }


def preview_schedule(
    frequency: str = recurrence.CRON,
    cron: str | None = None,
    every: Any = None,
    every_unit: str | None = None,
    time_zone: str | None = None,
) -> list[str]:
    """The next due times of a schedule with these fields, if it was saved now. Raises InvalidJobError for bad ones."""
    now = clock.now_epoch()
    timing = {"frequency": frequency, "cron": cron, "every": every, "every_unit": every_unit, "time_zone": time_zone}
    return _next_runs(recurrence.parse({**timing, "anchor_epoch": now}, now), now)


def run_schedule_now(schedule_id: str) -> Document:
    """Submit a schedule's job once more, beside its due times, as its owner. Returns the Background Job document.

    The schedule may be disabled. Other users may see the job, but not its result: the owner's permissions have made it
    at a time of another user's choice.
    Raises ScheduleNotFoundError, and the errors of `submit_job` if the owner may not have the job (any more).
    """
    schedule = visible_schedule(schedule_id)
    item = schedule_runs.prepare(schedule)
    user = frappe.session.user
    item.row["is_result_private"] |= int(user != schedule["owner_user"])
    submission.check_limits([item], schedule["owner_user"])
    text = f"Run once from schedule {schedule['name']} by hand"
    status = JobStatus(item.row["status"])
    with undone_on_error():
        record.insert([item.row], {item.row["name"]} if item.is_paused else ())
        history.write([history.event_of(item.row, status, status, text, user)])
    return item.document


def visible_schedule(schedule_id: Any) -> ScheduleRow:
    """The schedule's columns, if the current user may see it.

    Raises ScheduleNotFoundError, alike for a missing and an invisible one.
    """
    found = schedule_store.load(schedule_id) if isinstance(schedule_id, str) and schedule_id else None
    if not found or not visibility.viewer().can_see(found["owner_user"], found["organization"]):
        raise ScheduleNotFoundError(_("Schedule {0} not found.").format(cut(schedule_id)))
    return found


def _next_runs(found: Recurrence, now: float) -> list[str]:
    return [datetime.fromtimestamp(moment, found.zone).isoformat() for moment in islice(found.after(now), NEXT)]


def _public(rows: Sequence[ScheduleRow]) -> list[dict[str, Any]]:
    return [
        {
            "schedule_id": row["name"],
            **pages.public({key: value for key, value in row.items() if key not in _HIDDEN}),
            "enabled": bool(row["enabled"]),
        }
        for row in visibility.viewer().with_organization_names(rows)
    ]
