"""Jobs that are lifted: they run out of a queue of a higher priority than their own.

RQ's workers serve their queues strictly in order, so while one queue always has entries nobody runs what is behind it:
an organization that floods `short` would starve the others' Normal jobs, and its own Low ones, for ever. So where a
queue has a line, the jobs of the queues behind it take part in the turns of its admission passes, be they in line or in
RQ. A job that is chosen goes to the queue for this dispatch: it counts for the window there, its entry is in the list
there. As soon as it is claimed, or held back, its row names its own queue again.

Not lifted are jobs of types that name a queue; out of a queue that is paused, or that a worker serves which does not
serve the other before it: that one starves nobody, and perhaps could not run what is taken from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import backlog, config, rq_workers, waiting
from .status import JobStatus

MOST = 500
"""So many Queued jobs are looked at; there is a window in each queue."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who may be lifted: heads of lines as in `waiting.heads`, and jobs that are Queued."""

    heads: list[dict] = field(default_factory=list)
    queued: list[dict] = field(default_factory=list)

    def __iter__(self):
        """The organizations and types of all."""
        return iter((*self.heads, *self.queued))


NOBODY = Candidates()


def candidates(queue: str, behind: Iterable[str], lines: Iterable[dict], in_service: Iterable[dict]) -> Candidates:
    """Who may be lifted into a queue from those `behind` it; `lines` and `in_service` as `waiting` tells of all queues.

    Asks nobody if nobody is there; else Redis whom the queues are served by, and for the jobs that are Queued.
    """
    behind = set(behind)
    in_line = [row for row in lines if row["queue"] in behind and row["in_line"] == waiting.IN_LINE]
    heads = [row for row in in_line if config.is_movable(row["job_type"])]
    in_rq = [row for row in in_service if row["queue"] in behind and row["status"] == JobStatus.QUEUED]
    queued = [row["queue"] for row in in_rq if config.is_movable(row["job_type"])]
    found = {row["queue"] for row in heads} | set(queued)
    if not found:
        return NOBODY
    served = rq_workers.queues_served_after(queue, sorted(found))
    jobs = backlog.queued_in(sorted(served & set(queued)), MOST) if served & set(queued) else []
    return Candidates(
        [row for row in heads if row["queue"] in served],
        [job for job in jobs if config.is_movable(job["job_type"])],
    )


def in_queue(job: Mapping[str, Any], queue: str) -> Mapping[str, Any]:
    """A job that was queued in `queue`; `left`: the one in whose list it has an entry."""
    if job["queue"] == queue:
        return job
    return {**job, "queue": queue, "left": job["queue"] if job["status"] == JobStatus.QUEUED else None}


def left_by(jobs: Sequence[Mapping[str, Any]]) -> set[str]:
    """The queues in whose windows lifted jobs have left a place."""
    return {job["left"] for job in jobs if job.get("left")}
