"""Waiting jobs, and their way into the line.

A job waits for its due time, for another job (`waits_for`), or for a place under its organization's waiting cap (held).
Once it waits for nothing it is in line: Queued, and the next free worker may claim it. `in_line` tells all three apart
(`status.LinePlace`). So each query of workers and sweeper is one range of an index, however many jobs wait.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..lib import clock
from ..status import WAITING, JobStatus
from . import find, record
from .job_rows import JobRow, WaitingRow


def enter_due(limit: int) -> list[WaitingRow]:
    """Put due jobs in line, the longest due of each state first. Returns those that got in. Does not commit."""
    now = clock.now_epoch()
    return [job for status in WAITING for job in enter_line(find.due(status, now, limit))]


def enter_line(names: Sequence[str]) -> list[WaitingRow]:
    """Put jobs in line that are due and wait for no other one. Returns those that got in.

    Skips locked jobs. Does not commit.
    """
    now = clock.now_epoch()
    return record.put_in_line([row for row in find.lock_waiting(names, None) if row["due_epoch"] <= now])


def may_be_rescheduled(job: JobRow) -> bool:
    """Whether a job waits for its first attempt, or was snoozed."""
    return job["status"] == JobStatus.PENDING or (job["status"] == JobStatus.QUEUED and not job["attempt"])


def waits_for_its_time(job: JobRow, now: float) -> bool:
    """Whether `run_now` would change anything for a job."""
    return job["status"] in WAITING and (job["due_epoch"] or 0) > now
