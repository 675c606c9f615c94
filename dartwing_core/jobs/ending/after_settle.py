"""After a job has settled, best effort: what it held up may go on. The sweeper does whatever is missed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..attempt.outcome import Outcome
from ..base import clock
from ..db import dispatch, sql
from ..line import wake
from ..store import waiting
from . import batch_end, circuit_breaker

QUICK_SECONDS = 1.0


def after(job: Mapping[str, Any], duration: float, end: Outcome | None) -> None:
    """Release the jobs that waited for this one, close its batch if it was the last.

    Most jobs have no children, and a quick one that had none when it began has hardly got one since: it
    is spared the question.

    `end`: how it settled; None if another attempt was there first.
    """
    if end is not None:
        best_effort(lambda: circuit_breaker.settled(job, end))
    if job["first_child"] or job["another_child"] or duration > QUICK_SECONDS:
        best_effort(lambda: batch_end.job_ended(job))
    elif job["parent_batch"]:
        best_effort(lambda: batch_end.look([job["parent_batch"]]))


def enter_again(job: Mapping[str, Any], end: Outcome | None) -> None:
    """Let a job get in line again whose next attempt is due at once; others wait for the sweeper."""
    if end is not None and end.values.get("due_epoch", float("inf")) <= clock.now_epoch():
        best_effort(lambda: wake.wake_for(sql.committed(lambda: waiting.enter([job["name"]]))))


def best_effort(step: Callable[[], Any]) -> None:
    """An error is logged only; the worker keeps a usable connection even if the time limit struck in the middle."""
    dispatch.quietly(step, ends_time_limit=True)
