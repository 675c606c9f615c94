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
KEPT_SECONDS = 30 * 86_400
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


def note_end(queue: str, run_time: float) -> tuple[Look, bool]:
    """Note that a job has ended, and how many seconds it took; the queue at this moment, and whether so many of its
    jobs have ended since the last admission pass began that the next one is due.

    Raises redis.exceptions.RedisError.
    """
    pipeline = redis_queue.client().pipeline(transaction=False)
    key = _run_times_key(queue)
    pipeline.lpush(key, f"{run_time:.3f}")
    pipeline.ltrim(key, 0, RUN_TIMES - 1)
    pipeline.expire(key, KEPT_SECONDS)
    pipeline.incr(_ended_key(queue))
    pipeline.expire(_ended_key(queue), KEPT_SECONDS)
    pipeline.get(_due_key(queue))
    ask(pipeline, queue)
    *_noted, ended, _expires, due = (answers := pipeline.execute())[:-QUESTIONS]
    return of(answers[-QUESTIONS:]), ended >= int(due or 0)


def begin_pass(pipeline: redis.client.Pipeline, queue: str) -> None:
    """Add to a pipeline that an admission pass is about to count.

    Until it says what it leaves there is a backlog: whoever is submitted or ends meanwhile may not be in its count.
    """
    pipeline.delete(_ended_key(queue))
    set_backlog(pipeline, queue, True)


def end_pass(pipeline: redis.client.Pipeline, queue: str, has_backlog: bool, ends: int) -> None:
    """Add to a pipeline what a pass leaves: whether jobs await their turn, and that the next pass is due after so many
    ends."""
    set_backlog(pipeline, queue, has_backlog)
    pipeline.set(_due_key(queue), ends, ex=KEPT_SECONDS)


def set_backlog(pipeline: redis.client.Pipeline, queue: str, has_backlog: bool) -> None:
    """Add to a pipeline whether jobs await their turn."""
    pipeline.hset(redis_queue.site_key(BACKLOG), queue, str(int(has_backlog)))


def ask_backlog(pipeline: redis.client.Pipeline, queue: str) -> None:
    """Ask whether jobs await their turn: b"1" or b"0"; None if Redis has lost it."""
    pipeline.hget(redis_queue.site_key(BACKLOG), queue)


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
    ask_backlog(pipeline, queue)
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


def _ended_key(queue: str) -> str:
    return redis_queue.site_key(f"ended:{queue}")


def _due_key(queue: str) -> str:
    return redis_queue.site_key(f"ends_to_pass:{queue}")
