"""Columns of new jobs, and of a job's place: when it is due, for what it waits, and whether it is in line.

A job waits for its due time, for another job (`waits_for`), or for a place under its organization's waiting cap (held).
Once it waits for nothing it is in line: Queued, and the next free worker may claim it. `in_line` tells all three apart
(`status.LinePlace`). So each query of workers and sweeper is one range of an index, however many jobs wait.
"""

from __future__ import annotations

from ..lib import clock, ids, priorities
from ..lib.dml import standard_columns
from ..lib.row_types import Columns, fields_of
from ..status import WAITING, JobStatus, LinePlace
from .job_rows import JobRow, NewJobRow


def new_row(user: str, organization: str, now: float) -> Columns:
    """All columns of a new job, with the values that all new jobs have in common. `user` is their owner."""
    site_now = clock.site_time(now)
    return {
        **dict.fromkeys(fields_of(NewJobRow)),
        **standard_columns(ids.new_name("JOB"), user, site_now),
        "organization": organization,
        "owner_user": user,
        "status": str(JobStatus.PENDING),
        "created_at": site_now,
        **dict.fromkeys(("attempt", "retry_count", "crash_count", "progress", "is_result_private"), 0),
    }


def place(due_epoch: float, priority: str, waits_for: str | None = None) -> Columns:
    """The place of a job that is new or begins anew. It is in line at once if it waits for nothing."""
    is_in_line = not waits_for and due_epoch <= clock.now_epoch()
    return {
        **due(due_epoch, priority),
        "status": str(JobStatus.QUEUED if is_in_line else JobStatus.PENDING),
        "queued_at": clock.site_time() if is_in_line else None,
        "waits_for": waits_for,
        "in_line": int(LinePlace.IN_LINE if is_in_line else LinePlace.OUTSIDE),
    }


def due(epoch: float, priority: str) -> Columns:
    """A due time, and the rank in line from then on."""
    return {
        "available_at": clock.site_time(epoch),
        "due_epoch": epoch,
        "admission_rank": priorities.rank(epoch, priority),
    }


def not_in_line(place: LinePlace, waits_for: str | None = None) -> Columns:
    """What differs for a new job that is held, or waits for another one."""
    return {"status": str(JobStatus.PENDING), "queued_at": None, "in_line": int(place), "waits_for": waits_for}


def may_be_rescheduled(job: JobRow) -> bool:
    """Whether a job waits for its first attempt, or was snoozed."""
    return job["status"] == JobStatus.PENDING or (job["status"] == JobStatus.QUEUED and not job["attempt"])


def waits_for_its_time(job: JobRow, now: float) -> bool:
    """Whether `run_now` would change anything for a job."""
    return job["status"] in WAITING and (job["due_epoch"] or 0) > now
