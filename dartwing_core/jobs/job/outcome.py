"""How an attempt ends. `run/outcome` decides it, `record.Job.end` writes it."""

from __future__ import annotations

from dataclasses import dataclass

from ..status import JobStatus


@dataclass(frozen=True, slots=True)
class Outcome:
    """The status with which an attempt ends, and all that is written with it."""

    status: JobStatus
    message: str
    """For the history."""
    error: str | None = None
    error_type: str | None = None
    """Transient or Permanent. None if it did not fail."""
    traceback: str | None = None
    is_transient: bool = False
    """Whether it failed by an error that may pass or by its time limit, and not by its worker's death."""
    has_timed_out: bool = False
    crash_count: int = 0
    """How many workers in a row have died with the job."""
    retry_count: int | None = None
    """The number of the retry to come. None if this end costs none."""
    due: float | None = None
    """When the job is tried again, in seconds since 1970. None if it is not."""
    keeps_place: bool = False
    """Whether the job has its old place in line, since it is not to blame."""
    result: str | None = None
    output_reference: str | None = None
    canceled_by: str | None = None
    cancel_reason: str | None = None

    @property
    def of_attempt(self) -> JobStatus:
        """The attempt's own end. One that ran out of time is Timed Out, also the last of a dead letter."""
        return JobStatus.TIMED_OUT if self.has_timed_out else self.status
