"""Names, ids and values that arguments and answers of several topics share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

REQUIRED: Any = None
"""Default of a required argument. If it is missing, the engine refuses the call with its own message."""

Status = Literal["Pending", "Queued", "Running", "Completed", "Failed", "Dead Letter", "Canceled", "Timed Out"]
Priority = Literal["Low", "Normal", "High", "Critical"]


class _DateTime:
    """Marks text that the OpenAPI description calls `date-time`."""

    @staticmethod
    def __get_pydantic_json_schema__(core_schema: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**handler(core_schema), "format": "date-time"}


Moment = Annotated[str, _DateTime()]
"""A time, as ISO 8601 with offset."""
JobId = Annotated[str, "Id of a job, such as JOB-1K11R5XW3ZB0000ABCDE"]
JobTypeName = Annotated[str, "Name of a Job Type"]
OrganizationName = Annotated[str, "Id or exact name of one of your organizations"]
AvailableAt = Annotated[str | float, "The earliest start: a time (ISO 8601), or a number of seconds from now"]
Parameters = Annotated[dict[str, Any], "An object that the handler gets"]
Limit = Annotated[int, "The largest number of rows; the server may lower it"]
Hours = Annotated[int, "Counts jobs that were submitted within this number of hours"]
Deduplication = Annotated[
    Literal["while_unfinished", "within_window", "never"],
    "How long an equal job is a duplicate; by default as the Job Type says",
]
OnParentFailure = Annotated[
    Literal["cancel", "dead_letter", "run"],
    "The fate of the job if a job that it depends on is canceled, fails for good or is deleted",
]


class Submitted(TypedDict):
    """A job that was submitted, canceled or queued again."""

    job_id: str
    status: Status
    message: str


class Event(TypedDict):
    """One change of a job's status. `retry_attempt`: the retries so far. `worker`: only for System Managers."""

    from_status: Status | None
    to_status: Status
    timestamp: Moment
    actor: str
    message: str | None
    retry_attempt: int
    duration: float | None
    worker: str | None
