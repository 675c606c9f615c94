"""Arguments and answers about schedules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from .common import Moment, Priority

ScheduleId = Annotated[str, "Id of a schedule, such as SCHEDULE-1K11R5XW3ZB0000ABCDE"]
Frequency = Literal["Cron", "Interval"]
Unit = Literal["Minutes", "Hours", "Days"]
TimeZone = Annotated[str, "Such as Europe/Berlin; the site's by default"]


class ListedSchedule(TypedDict):
    """A schedule in a list. `last_error`: why a due time got no job. `refusals`: due times without a job in a row."""

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
    next_run: Moment | None
    last_run: Moment | None
    last_job: str | None
    last_error: str | None
    last_error_at: Moment | None
    refusals: int


class ScheduleAnswer(ListedSchedule):
    """A schedule with its next due times, by its own time zone."""

    parameters: dict[str, Any] | None
    next_runs: list[Moment]


class ScheduleList(TypedDict):
    """One page. `total`: the number of matching schedules, up to 10,000."""

    schedules: list[ListedSchedule]
    total: int
    limit: int
    offset: int


class NextRuns(TypedDict):
    next_runs: list[Moment]
