"""The states of a background job and the moves between them, as data."""

from __future__ import annotations

from enum import Enum, IntEnum

from frappe import _


class JobStatus(str, Enum):
    """State of a Background Job; `docs/state_machine.md` draws it."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    DEAD_LETTER = "Dead Letter"
    CANCELED = "Canceled"
    TIMED_OUT = "Timed Out"

    # Database drivers and f-strings must see the value, not "JobStatus.QUEUED".
    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]


TRANSITIONS: dict[JobStatus | None, frozenset[JobStatus]] = {
    None: frozenset({JobStatus.PENDING}),
    JobStatus.PENDING: frozenset({JobStatus.QUEUED, JobStatus.CANCELED, JobStatus.DEAD_LETTER}),
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELED, JobStatus.DEAD_LETTER, JobStatus.PENDING}),
    JobStatus.RUNNING: frozenset(JobStatus) - {JobStatus.QUEUED, JobStatus.RUNNING},
    JobStatus.FAILED: frozenset({JobStatus.QUEUED, JobStatus.PENDING, JobStatus.DEAD_LETTER, JobStatus.CANCELED}),
    JobStatus.TIMED_OUT: frozenset({JobStatus.QUEUED, JobStatus.PENDING, JobStatus.DEAD_LETTER, JobStatus.CANCELED}),
    JobStatus.DEAD_LETTER: frozenset({JobStatus.QUEUED, JobStatus.PENDING}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.CANCELED: frozenset(),
}
"""The moves from each state (None: the job does not exist yet)."""


class LinePlace(IntEnum):
    """Where a job is, as `in_line` of its row says. Drivers know no enum: write `int(…)` of it."""

    OUTSIDE = 0
    """It waits for its time or for another job, runs, or is over."""
    IN_LINE = 1
    """Queued: the next free worker may claim it."""
    HELD = 2
    """Pending, and due: its organization is at its waiting cap."""


def word_of(status: str) -> str:
    """The state of a job as people read it, in their language. Most are read as they are stored."""
    words = {"Pending": _("Waiting"), "Failed": _("Retrying"), "Timed Out": _("Retrying"), "Dead Letter": _("Failed")}
    return words.get(str(status)) or _(status)


FINISHED = frozenset({JobStatus.COMPLETED, JobStatus.CANCELED, JobStatus.DEAD_LETTER})
"""States that only a person may change any more."""

ENDED_BADLY = FINISHED - {JobStatus.COMPLETED}
"""States of jobs that will not complete any more, unless a person retries them."""

LIVE = frozenset(JobStatus) - FINISHED

NOT_BEGUN = (JobStatus.PENDING, JobStatus.QUEUED)

RETRYING = (JobStatus.FAILED, JobStatus.TIMED_OUT)
"""States of jobs whose last attempt has failed, and whose next one is to come."""

NOT_RUNNING = (*NOT_BEGUN, *RETRYING)
"""Live states outside of workers."""

WAITING = frozenset({JobStatus.PENDING, *RETRYING})
"""States of jobs that wait in the database for their time. The sweeper may queue them."""

RETRYABLE = frozenset({*RETRYING, JobStatus.DEAD_LETTER})
"""States of failed jobs. A person may start a fresh series of attempts."""


def can_move(from_status: JobStatus | None, to_status: JobStatus) -> bool:
    """Whether the state machine has this move."""
    return to_status in TRANSITIONS[from_status]
