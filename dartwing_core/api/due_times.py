"""REST endpoints about when jobs run: other due times, and schedules. `api.jobs` serves them under its name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from frappe import _
from typing_extensions import TypedDict

from dartwing_core import jobs as engine
from dartwing_core.jobs.base import clock
from dartwing_core.jobs.queries import waiting_reason

from .endpoint import endpoint
from .schemas import REQUIRED, AvailableAt, JobId, Limit, OrganizationName, Priority, Submitted

ScheduleId = Annotated[str, "Id of a schedule, such as SCHEDULE-1K11R5XW3ZB0000ABCDE"]
Frequency = Literal["Cron", "Interval"]
Unit = Literal["Minutes", "Hours", "Days"]
TimeZone = Annotated[str, "Such as Europe/Berlin; the site's by default"]


class DueAgain(Submitted):
    """A job with another due time; `waiting_reason`: what it still waits for."""

    available_at: datetime
    waiting_reason: str | None


class ListedSchedule(TypedDict):
    """A schedule in a list. `last_error`: why its last due time has no job; `refusals`: so many in a row."""

    schedule_id: str
    title: str
    organization: str
    organization_name: str
    owner_user: str
    enabled: bool
    frequency: Frequency
    cron: str | None
    every: int
    every_unit: Unit | None
    time_zone: str
    job_type: str
    priority: Priority | None
    missed_runs: Literal["Skip", "Run Once", "Catch Up"]
    catch_up_limit: int
    next_run: datetime | None
    last_run: datetime | None
    last_job: str | None
    last_error: str | None
    last_error_at: datetime | None
    refusals: int


class ScheduleAnswer(ListedSchedule):
    """A schedule with its next due times, by its own time zone."""

    parameters: dict[str, Any] | None
    next_runs: list[datetime]


class ScheduleList(TypedDict):
    """One page; `total` counts all that fit, up to 10,000."""

    schedules: list[ListedSchedule]
    total: int
    limit: int
    offset: int


class NextRuns(TypedDict):
    next_runs: list[datetime]


@endpoint("POST", limit="submit")
def reschedule_job(job_id: JobId = REQUIRED, available_at: AvailableAt = REQUIRED) -> DueAgain:
    """Let a pending job start at another time."""
    return _due_again(engine.reschedule_job(job_id, available_at or None), _("Job rescheduled"))


@endpoint("POST", limit="submit")
def run_now(job_id: JobId = REQUIRED) -> DueAgain:
    """Skip the wait of a job for its time or its retry; what else holds it stays."""
    return _due_again(engine.run_now(job_id), _("Job is due now"))


@endpoint("GET", limit="list")
def list_schedules(
    organization: OrganizationName | None = None,
    enabled: Annotated[bool, "Only those that are, or are not"] | None = None,
    limit: Limit = 20,
    offset: Annotated[int, "Leave out so many"] = 0,
) -> ScheduleList:
    """Schedules that you may see, newest first."""
    return engine.list_schedules(organization, enabled, limit, offset)


@endpoint("GET", limit="status")
def get_schedule(schedule_id: ScheduleId = REQUIRED) -> ScheduleAnswer:
    """A schedule with its next due times."""
    return engine.get_schedule(schedule_id)


@endpoint("GET", limit="status")
def preview_schedule(
    frequency: Frequency = "Cron",
    cron: Annotated[str, "Minute, hour, day, month and weekday, such as 30 7 * * mon-fri"] | None = None,
    every: Annotated[int, "With the unit: the interval"] | None = None,
    every_unit: Unit | None = None,
    time_zone: TimeZone | None = None,
) -> NextRuns:
    """When a schedule would be due next, were it saved like this now."""
    return {"next_runs": engine.preview_schedule(frequency, cron, every, every_unit, time_zone)}


@endpoint("POST", limit="submit")
def run_schedule_now(schedule_id: ScheduleId = REQUIRED) -> Submitted:
    """Submit the job of a schedule once more, beside its due times."""
    job = engine.run_schedule_now(schedule_id)
    return {"job_id": job.name, "status": job.status, "message": _("Job submitted successfully")}


def _due_again(job: Any, done: str) -> DueAgain:
    reason = waiting_reason.of_job(job.as_dict())
    return {
        "job_id": job.name,
        "status": job.status,
        "available_at": clock.iso(job.due_epoch),
        "waiting_reason": reason,
        "message": f"{done}. {reason}" if reason else done,
    }
