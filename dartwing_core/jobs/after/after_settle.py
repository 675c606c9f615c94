"""The work after a settle, best effort: jobs and batches that waited for it go on. The sweeper repairs omissions."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..job import waiting
from ..lib import best_effort, clock, sql
from ..line import wake
from ..run.attempt import Attempt
from . import batch_end, circuit_breaker

QUICK_SECONDS = 1.0


def follow_up(attempt: Attempt) -> None:
    """Release the jobs that waited for this one, close its batch if it was the last.

    A quick job that had no children when it began has hardly got one since. It is spared that query.
    """
    job, end = attempt.job, attempt.end
    if end is not None:
        run_step(partial(circuit_breaker.record_end, job.row, end, is_probe=job.is_probe))
    batch = job.row["parent_batch"]
    if job.has_children or time.monotonic() - attempt.started > QUICK_SECONDS:
        run_step(partial(batch_end.follow_up_end, job.row))
    elif batch:
        run_step(partial(batch_end.close_ended, [batch]))


def requeue_if_due(attempt: Attempt) -> None:
    """Put a job in line again whose next attempt is due at once. Others wait for the sweeper."""
    name, end = attempt.job.name, attempt.end
    if end is not None and end.due is not None and end.due <= clock.now_epoch():
        run_step(lambda: wake.wake_for(sql.committed(lambda: waiting.enter_line([name]))))


def run_step(step: Callable[[], Any]) -> None:
    """Run a step. An error is only logged. The connection stays usable even if the time limit struck in the middle."""
    best_effort.run(step, ends_time_limit=True)
