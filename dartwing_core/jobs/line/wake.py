"""Wakes workers for jobs in line that may start."""

from __future__ import annotations

from collections.abc import Sequence

from ..lib import sql
from ..lib.rows import RungJob
from ..rq import doorbells, redis_queue
from ..status import LinePlace
from . import limits, queue_view


def wake_for(jobs: Sequence[RungJob]) -> int:
    """Wake workers for committed jobs that have just got in line. Returns how many entries were made.

    While Redis is away or all is paused, this is left to the next sweep.
    """
    paused = limits.paused(job["queue"] for job in jobs)
    going = [job for job in jobs if job["queue"] not in paused]
    return (redis_queue.if_there(lambda: doorbells.ring(going)) or 0) if going else 0


def wake_for_line() -> int:
    """Wake workers for all jobs in line that may start. Returns how many entries were made.

    Raises redis.exceptions.RedisError.
    """
    lines = queue_view.read_view().choice.in_order()
    queues = sorted({line.queue for line in lines})
    made = 0
    for queue, workers in (doorbells.workers(queues) if queues else {}).items():
        jobs: list[RungJob] = []
        for line in lines:
            if line.queue == queue and len(jobs) <= workers:
                jobs += queue_view.first_jobs(line, workers + 1 - len(jobs))
        made += doorbells.ring(jobs)
    return made


def admit_held() -> int:
    """Put held jobs in line where others have left it, and wake workers. Returns how many jobs got in. Commits."""
    entered = sql.committed(lambda: queue_view.admit(queue_view.heads()[LinePlace.HELD]))
    wake_for(entered)
    return len(entered)
