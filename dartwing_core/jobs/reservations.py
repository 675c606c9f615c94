"""Places in the windows of queues, reserved from the look at a queue until the entries are in its list.

Whoever queues jobs looks at the list first, and pushes after its commit: of many who do so at once each would find room
for all of its own. So each says in Redis how many it is about to push, in the round trip in which it looks, and is told
what others have said before. That is forgotten after some seconds, in case somebody never comes to push.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from . import clock, queue_look, redis_queue, run_times

SECONDS = 5
"""What is said holds for so long at least, and for less than twice as long."""
KEPT = 3 * SECONDS
_ANSWERS = 3 + queue_look.QUESTIONS
Jobs = Mapping[str, Sequence[Mapping[str, Any]]]
"""By queue; `job_type` of each."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Places of one queue, and what was found there."""

    queue: str
    number: int
    look: queue_look.Look
    others: int
    """How many places others had reserved by then."""
    run_time: float | None
    """Seconds that jobs of those types take (see `run_times.of`); of several the longest."""
    key: str


def reserve(jobs: Jobs) -> list[Reservation]:
    """Look at these queues and reserve places for the jobs in each, in one round trip.

    Raises redis.exceptions.RedisError.
    """
    moment = clock.now_epoch()
    job_types = sorted({job["job_type"] for members in jobs.values() for job in members})
    pipeline = redis_queue.client().pipeline(transaction=False)
    run_times.ask(pipeline, job_types)
    for queue, members in jobs.items():
        before, now, after = _keys(queue, moment)
        pipeline.incrby(now, len(members))
        pipeline.expire(now, KEPT)
        pipeline.mget(before, after)
        queue_look.ask(pipeline, queue)  # behind it: what is pushed meanwhile counts twice, and not never
    answers = pipeline.execute()
    times, answers = run_times.of(job_types, answers[: len(job_types)]), answers[len(job_types) :]
    found = []
    for queue, members in jobs.items():
        (total, _expires, beside, *seen), answers = answers[:_ANSWERS], answers[_ANSWERS:]
        look, others = queue_look.of(seen), max(0, total - len(members)) + _sum(beside)
        run_time = run_times.longest(times[job["job_type"]] for job in members)
        found.append(Reservation(queue, len(members), look, others, run_time, _keys(queue, moment)[1]))
    return found


def reserve_if_there(jobs: Jobs) -> list[Reservation] | None:
    """The same, or None if the queue's Redis is not there; asks like `redis_queue.answers`."""
    return redis_queue.if_there(lambda: reserve(jobs))


def give_back(reserved: Sequence[Reservation], pipeline: redis.client.Pipeline) -> None:
    """Add to a pipeline that the places are free again, or taken by entries, and ask who lines up by now."""
    for reservation in reserved:
        pipeline.decrby(reservation.key, reservation.number)
        pipeline.expire(reservation.key, KEPT)
    for reservation in reserved:
        queue_look.ask_backlog(pipeline, reservation.queue)


def lined_up(reserved: Sequence[Reservation], answers: Sequence[Any]) -> set[str]:
    """The queues of these places, given back by a pipeline with these answers, where jobs await their turn.

    A pass that came between may have counted jobs and their places both.
    """
    notes = answers[len(answers) - len(reserved) :]
    return {reservation.queue for reservation, note in zip(reserved, notes, strict=True) if note == b"1"}


def give_back_now(reserved: Sequence[Reservation]) -> None:
    """The same in a round trip of its own. Raises redis.exceptions.RedisError."""
    if reserved:
        pipeline = redis_queue.client().pipeline()
        give_back(reserved, pipeline)
        pipeline.execute()


def begin_pass(queue: str) -> tuple[queue_look.Look, int]:
    """Note that an admission pass begins; the queue at this moment, and how many places are reserved.

    Raises redis.exceptions.RedisError.
    """
    pipeline = redis_queue.client().pipeline(transaction=False)
    queue_look.begin_pass(pipeline, queue)
    pipeline.mget(_keys(queue, clock.now_epoch()))
    queue_look.ask(pipeline, queue)
    reserved, *look = pipeline.execute()[-1 - queue_look.QUESTIONS :]
    return queue_look.of(look), _sum(reserved)


def _sum(counts: Collection[Any]) -> int:
    """Below zero is what was reserved before Redis forgot all, and given back since."""
    return sum(max(0, int(count or 0)) for count in counts)


def _keys(queue: str, moment: float) -> list[str]:
    """Of these seconds, between those before and behind them: the machines' clocks may differ a little."""
    number = int(moment // SECONDS)
    return [redis_queue.site_key(f"reserved:{queue}:{number + step}") for step in (-1, 0, 1)]
