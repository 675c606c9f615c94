"""A queue at this moment, seen in one round trip to Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from frappe.utils.background_jobs import generate_qname

from . import redis_queue, run_times

BACKLOG = "backlog"
KEPT_SECONDS = 30 * 86_400
QUESTIONS = 3


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of a queue."""

    length: int
    """Entries in its list, others' too."""
    workers: int
    backlog: bool | None
    """Whether jobs await their turn, as an admission pass has noted; None if Redis has lost the note, so that the rows
    have to be asked."""


def note_end(queue: str, job_type: str, run_time: float) -> tuple[bool | None, bool]:
    """Note that a job has ended, and how many seconds it took; whether jobs await their turn (as in `Look`), and
    whether the next admission pass is due: half of the jobs that the last one left in RQ have ended, or half as many
    entries are in the list.

    The list may hold entries of others, whose ends tell us nothing. Raises redis.exceptions.RedisError.
    """
    pipeline = redis_queue.client().pipeline(transaction=False)
    run_times.note(pipeline, job_type, run_time)
    pipeline.incr(_ended_key(queue))
    pipeline.expire(_ended_key(queue), KEPT_SECONDS)
    pipeline.get(_left_key(queue))
    ask(pipeline, queue)
    answers = pipeline.execute()
    ended, _expires, left = answers[-QUESTIONS - 3 : -QUESTIONS]
    seen = of(answers[-QUESTIONS:])
    return seen.backlog, have_ended(ended, left) or seen.length <= enough(int(left or 0))


def ask_ends(pipeline: redis.client.Pipeline, queue: str) -> None:
    """Ask how many jobs have ended since the last pass began, and how many it left in RQ: for `have_ended`."""
    pipeline.mget(_ended_key(queue), _left_key(queue))


def have_ended(ended: Any, left: Any) -> bool:
    """Whether half of the jobs that a pass left in RQ have ended, at least one."""
    number = int(left or 0)
    return int(ended or 0) >= max(1, number - enough(number))


def enough(left: int) -> int:
    """Of so many entries that a pass left in RQ: with so many, or fewer, the next one is due."""
    return left // 2


def begin_pass(pipeline: redis.client.Pipeline, queue: str) -> None:
    """Add to a pipeline that an admission pass is about to count.

    Until it says what it leaves there is a backlog: whoever is submitted or ends meanwhile may not be in its count.
    """
    pipeline.delete(_ended_key(queue))
    _set_backlog(pipeline, queue, True)


def end_pass(pipeline: redis.client.Pipeline, queue: str, has_backlog: bool, in_rq: int) -> None:
    """Add to a pipeline what a pass leaves: whether jobs await their turn, and how many are in RQ."""
    _set_backlog(pipeline, queue, has_backlog)
    pipeline.set(_left_key(queue), in_rq, ex=KEPT_SECONDS)


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


def of(answers: Sequence[Any]) -> Look:
    """The answers to them."""
    length, workers, note = answers
    return Look(length, workers, None if note is None else note == b"1")


def ask_length(pipeline: redis.client.Pipeline, queue: str) -> None:
    """Ask how many entries are in a queue's list, others' too."""
    pipeline.llen(redis_queue.list_key(queue))


def _set_backlog(pipeline: redis.client.Pipeline, queue: str, has_backlog: bool) -> None:
    pipeline.hset(redis_queue.site_key(BACKLOG), queue, str(int(has_backlog)))


def _ended_key(queue: str) -> str:
    return redis_queue.site_key(f"ended:{queue}")


def _left_key(queue: str) -> str:
    return redis_queue.site_key(f"left_in_rq:{queue}")
