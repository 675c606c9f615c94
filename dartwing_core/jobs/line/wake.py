"""Wakes workers for jobs in line that may start."""

from __future__ import annotations

from collections.abc import Sequence

from ..job.job_rows import CandidateRow
from ..lib import sql
from ..lib.row_types import RungJob
from ..rq import doorbells, redis_queue
from . import line_queries, pauses, queue_view, turns


def wake_for(jobs: Sequence[RungJob]) -> int:
    """Wake workers for committed jobs that have just got in line. Returns how many entries were made.

    While Redis is away or all is paused, this is left to the next sweep.
    """
    going = pauses.not_paused(jobs)
    return (redis_queue.if_there(lambda: doorbells.ring(going)) or 0) if going else 0


def wake_for_line() -> int:
    """Wake workers for all jobs in line that may start. Returns how many entries were made.

    Raises redis.exceptions.RedisError.
    """
    lines = queue_view.read_view().choice.in_order()
    queues = sorted({line.queue for line in lines})
    if not queues:
        return 0
    made = 0
    for queue, room in doorbells.rooms(queues).items():
        made += doorbells.ring(_first_jobs([line for line in lines if line.queue == queue], room))
    return made


def admit_held() -> int:
    """Put held jobs in line where others have left it, and wake workers. Returns how many jobs got in. Commits."""
    entered = sql.committed(line_queries.admit_held)
    wake_for(entered)
    return len(entered)


def _first_jobs(lines: Sequence[turns.Line], number: int) -> list[CandidateRow]:
    jobs: list[CandidateRow] = []
    for line in lines:
        if len(jobs) >= number:
            break
        jobs += line_queries.first_jobs(line, number - len(jobs))
    return jobs
