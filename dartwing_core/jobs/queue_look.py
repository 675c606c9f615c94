"""A queue at this moment, seen in one round trip to Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from frappe.utils.background_jobs import generate_qname

from . import redis_queue

BACKLOG = "backlog"
RUN_TIMES = 8
RUN_TIMES_KEPT = 30 * 86_400
"""Seconds."""
QUESTIONS = 4


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of a queue."""

    length: int
    """Entries in its list, others' too."""
    workers: int
    backlog: bool | None
    """Whether jobs await their turn, as an admission pass has noted; None if Redis has lost the note, so that the rows
    have to be asked."""
    run_time: float | None
    """Seconds that the last jobs took on average; None if that is not known."""


def look(queue: str, run_time: float | None = None) -> Look:
    """The queue at this moment; `run_time`: of a job that has just ended. Raises redis.exceptions.RedisError."""
    pipeline = redis_queue.client().pipeline(transaction=False)
    if run_time is not None:
        key = _run_times_key(queue)
        pipeline.lpush(key, f"{run_time:.3f}")
        pipeline.ltrim(key, 0, RUN_TIMES - 1)
        pipeline.expire(key, RUN_TIMES_KEPT)
    ask(pipeline, queue)
    return of(pipeline.execute()[-QUESTIONS:])


def looks_if_there(queues: Sequence[str]) -> dict[str, Look] | None:
    """Each queue at this moment, or None if the queue's Redis is not there; asks like `redis_queue.answers`."""

    def looks() -> dict[str, Look]:
        pipeline = redis_queue.client().pipeline(transaction=False)
        for queue in queues:
            ask(pipeline, queue)
        answers = pipeline.execute()
        return {queue: of(answers[QUESTIONS * place :][:QUESTIONS]) for place, queue in enumerate(queues)}

    return redis_queue.if_there(looks)


def ask(pipeline: redis.client.Pipeline, queue: str) -> None:
    """Add the QUESTIONS of a look to a pipeline."""
    ask_length(pipeline, queue)
    pipeline.scard(f"rq:workers:{generate_qname(queue)}")
    pipeline.hget(redis_queue.site_key(BACKLOG), queue)
    pipeline.lrange(_run_times_key(queue), 0, -1)


def of(answers: Sequence[Any]) -> Look:
    """The answers to them."""
    length, workers, note, run_times = answers
    mean = sum(map(float, run_times)) / len(run_times) if run_times else None
    return Look(length, workers, None if note is None else note == b"1", mean)


def ask_length(pipeline: redis.client.Pipeline, queue: str) -> None:
    """Ask how many entries are in a queue's list, others' too."""
    pipeline.llen(redis_queue.list_key(queue))


def _run_times_key(queue: str) -> str:
    return redis_queue.site_key(f"run_times:{queue}")
