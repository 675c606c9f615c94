"""Endpoints about schedules."""

from __future__ import annotations

from typing import Annotated, cast

from frappe import _

from dartwing_core import jobs as engine

from .arguments import refuse_repeatable
from .registry import endpoint
from .schemas.common import REQUIRED, Limit, OrganizationName, Submitted
from .schemas.schedules import Frequency, NextRuns, ScheduleAnswer, ScheduleId, ScheduleList, TimeZone, Unit


@endpoint("GET", limit="list")
def list_schedules(
    organization: OrganizationName | None = None,
    enabled: Annotated[bool, "Only enabled schedules, or only disabled ones"] | None = None,
    limit: Limit = 20,
    offset: Annotated[int, "The number of rows to skip"] = 0,
) -> ScheduleList:
    """Schedules that you may see, newest first."""
    return cast(ScheduleList, engine.list_schedules(organization, enabled, limit, offset))


@endpoint("GET", limit="status")
def get_schedule(schedule_id: ScheduleId = REQUIRED) -> ScheduleAnswer:
    """A schedule with its next due times."""
    return cast(ScheduleAnswer, engine.get_schedule(schedule_id))


@endpoint("GET", limit="status")
def preview_schedule(
    frequency: Frequency = "Cron",
    cron: Annotated[str, "Minute, hour, day, month and weekday, such as 30 7 * * mon-fri"] | None = None,
    every: Annotated[int, "The interval, as a number of `every_unit`"] | None = None,
    every_unit: Unit | None = None,
    time_zone: TimeZone | None = None,
) -> NextRuns:
    """The next due times of a schedule, if it were saved with these values now."""
    return {"next_runs": engine.preview_schedule(frequency, cron, every, every_unit, time_zone)}


@endpoint("POST", limit="submit")
def run_schedule_now(schedule_id: ScheduleId = REQUIRED) -> Submitted:
    """Submit the job of a schedule once more, beside its due times."""
    refuse_repeatable(takes_keys=False)
    job = engine.run_schedule_now(schedule_id)
    return {"job_id": job.name, "status": job.status, "message": _("Job submitted successfully")}
