"""Operations on a job that may change at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import InvalidTransitionError, JobChangedError
from ..job.job_rows import JobRow
from ..submit.after_commit import undone_on_error
from . import visible_jobs

TRIES = 5
SAVEPOINT = "dartwing_core_operation"
T = TypeVar("T")


def operate(job_id: Any, operation: Callable[[JobRow], T]) -> T:
    """Call `operation` with the columns of a visible job. Repeat it if the job changes meanwhile. An error undoes it.

    The caller's snapshot may be old, so the job is also read outside of its transaction, already before the first try:
    an UPDATE that finds the job in another state keeps its row locked until the caller's commit.

    Raises JobNotFoundError, and the errors of `operation` for the job's present state.
    """
    job = visible_jobs.visible_job(job_id)
    refusal: InvalidTransitionError = JobChangedError(job["name"])
    for number in range(TRIES):
        now = visible_jobs.visible_job_now(job["name"])
        is_newer = now is not None and now["modified"] > job["modified"]  # or this transaction itself has changed it
        if number and not is_newer:
            break
        job = now if now is not None and is_newer else job
        try:
            with undone_on_error(SAVEPOINT):
                return operation(job)
        except InvalidTransitionError as error:
            if not isinstance(error, JobChangedError):  # an error about the state says more than one about the change
                refusal = error
    raise refusal
