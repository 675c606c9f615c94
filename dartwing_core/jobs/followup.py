"""After a job has settled, best effort: what it held up may go on. The sweeper does whatever is missed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import dependencies, dispatch, sweeper

QUICK_SECONDS = 1.0


def after(job: Mapping[str, Any], duration: float) -> None:
    """Release the jobs that waited for this one, and sweep if nobody has done so for some seconds.

    Most jobs have no children, and a quick one that had none when it began has hardly got one since: it
    is spared the question.
    """
    if job["first_child"] or duration > QUICK_SECONDS:
        dispatch.quietly(lambda: dependencies.parent_ended(job["name"]))
    dispatch.quietly(sweeper.sweep_now_and_then)
