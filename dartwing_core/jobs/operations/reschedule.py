"""Changes the due time of a waiting job. Like the operations of `engine`, these do not commit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from frappe import _

from ..after import batch_end
from ..errors import InvalidTransitionError, JobChangedError
from ..job import columns, record
from ..job.job_rows import JobRow
from ..job.record import Job
from ..lib import clock
from ..read import visible_jobs
from ..status import WAITING, JobStatus
from ..submit import submission
from ..submit.after_commit import after_commit

if TYPE_CHECKING:
    from frappe.model.document import Document


def reschedule_job(job_id: str, available_at: datetime | timedelta | str | float) -> Document:
    """Let a job that has not begun start at another time, given as for `submit_job`. Returns its document.

    Raises InvalidTransitionError if it has begun, JobNotFoundError if it can't be seen, InvalidJobError for a value
    that is no time, JobBusyError if another transaction is just changing the job.
    """
    due = clock.epoch_of(available_at)
    return visible_jobs.operate(job_id, lambda job: _reschedule(job, due))


def _reschedule(job: JobRow, due: float) -> Document:
    if not columns.may_be_rescheduled(job):
        raise InvalidTransitionError(
            _("Job {0} is {1}; only a job that has not begun can be rescheduled.").format(job["name"], _(job["status"]))
        )
    before, after = clock.iso(job["due_epoch"] or 0), clock.iso(due)
    return _moved(job, due, f"Rescheduled from {before} to {after}")


def run_now(job_id: str) -> Document:
    """Skip the wait of a Pending job for its time, or of a failed one for its retry. Returns its document.

    It still waits for another job, a pause, a limit or its turn. `waiting_reason` of `get_job_status` says which.
    Raises InvalidTransitionError if it waits for no time, JobNotFoundError if it can't be seen, JobBusyError if another
    transaction is just changing it.
    """
    return visible_jobs.operate(job_id, _run_now)


def _run_now(job: JobRow) -> Document:
    if job["status"] == JobStatus.QUEUED:
        return submission.as_document(job)
    if job["status"] not in WAITING:
        raise InvalidTransitionError(
            _("Job {0} is {1}; only a job that waits for its time can be run now.").format(
                job["name"], _(job["status"])
            )
        )
    now = clock.now_epoch()
    if not columns.waits_for_its_time(job, now):
        return submission.as_document(job)
    return _moved(job, now, f"To be run now instead of at {clock.iso(job['due_epoch'] or 0)}")


def _moved(job: JobRow, due: float, message: str) -> Document:
    moved = Job(job)
    if not moved.set_due(due, message):
        raise JobChangedError(job["name"])
    entered = record.enter_line([job["name"]])
    after_commit().wake_for(entered)
    if job["waits_for"]:
        after_commit().release_children_of([job["waits_for"]], batch_end.release_and_close)
    now: JobRow = {**moved.row, "status": str(JobStatus.QUEUED)} if entered else moved.row
    return submission.as_document(now)
