"""What admission notes in Redis. All of it may be lost: the rows are the truth, a lost note costs a turn at most."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from . import clock, queue_look, redis_queue, run_times

FULL_SECONDS = 2
TURNS_SECONDS = 3_600
REQUEST_SECONDS = 60
WANTED, IF_SOME_ARE_LEFT = b"1", b"0"
"""Requests for a pass."""
CIRCUIT_SECONDS = 3_600
"""For so long after its cool-down a circuit counts as open: until its probe has succeeded, most likely."""


@dataclass(frozen=True, slots=True)
class KeptTurns:
    """How the turns of the organizations that have waiting jobs stand."""

    passes: Mapping[str, float]
    lifted_last: Collection[str]
    """Whose last turn a lifted job had."""


@dataclass(frozen=True, slots=True)
class Left:
    """What an admission pass leaves."""

    has_backlog: bool
    """Whether jobs await their turn in the database, so that what is submitted has to line up too."""
    turns: KeptTurns | None = None
    """None: those stay as they are."""
    in_rq: int = 0
    """How many jobs are Queued."""
    is_full: bool = False
    """There is a backlog because the queue's window is full: a settle will make the next pass."""


def keep(pipeline: redis.client.Pipeline, queue: str, left: Left) -> None:
    """Add to a pipeline what a pass leaves."""
    queue_look.end_pass(pipeline, queue, left.has_backlog, left.in_rq)
    if left.is_full:
        pipeline.set(redis_queue.site_key(f"full:{queue}"), queue_look.enough(left.in_rq), ex=FULL_SECONDS)
    else:
        pipeline.delete(redis_queue.site_key(f"full:{queue}"))
    passes_key, lifted_key = redis_queue.site_key(f"turns:{queue}"), redis_queue.site_key(f"lifted:{queue}")
    if left.turns:
        pipeline.delete(passes_key, lifted_key)
        if left.turns.passes:
            pipeline.hset(passes_key, mapping=dict(left.turns.passes))
        if left.turns.lifted_last:
            pipeline.sadd(lifted_key, *left.turns.lifted_last)
    pipeline.expire(passes_key, TURNS_SECONDS)
    pipeline.expire(lifted_key, TURNS_SECONDS)


def backlogged() -> set[str]:
    """The queues for which jobs await their turn."""
    found: Any = redis_queue.client().hgetall(redis_queue.site_key(queue_look.BACKLOG))
    return {queue.decode() for queue, note in found.items() if note == b"1"}


def set_circuit(key: str, until: float | None) -> None:
    """Note that a circuit is open until then, or closed (None): what is submitted meanwhile has to line up."""
    client, name = redis_queue.client(), redis_queue.site_key(f"circuit:{key}")
    if until is None:
        client.delete(name)
    else:
        client.set(name, 1, ex=max(0, round(until - clock.now_epoch())) + CIRCUIT_SECONDS)


def is_circuit_open(key: str) -> bool:
    """Whether `set_circuit` has noted so; no, if Redis is not there or has lost it."""
    name = redis_queue.site_key(f"circuit:{key}")
    return bool(redis_queue.if_there(lambda: redis_queue.client().exists(name)))


def ask_for_pass(queue: str) -> None:
    """Have a pass made that sees all that is committed by now, by whoever gets to it first."""
    redis_queue.client().set(_again_key(queue), WANTED, ex=REQUEST_SECONDS)


def ask_after_end(queue: str) -> None:
    """The same for a job that has ended: if a pass is under way, only in case it leaves somebody."""
    redis_queue.client().set(_again_key(queue), IF_SOME_ARE_LEFT, nx=True, ex=REQUEST_SECONDS)


def ask_for_pass_unless_full(queue: str) -> bool:
    """The same for a job that has just lined up; False if the last pass has just found the window full, and so many
    entries are left that a settle will make the next.

    In this order: a pass under way takes the note away, and looks whether it was asked for before it ends.
    """
    pipeline = redis_queue.client().pipeline()
    pipeline.set(_again_key(queue), WANTED, ex=REQUEST_SECONDS)
    pipeline.get(redis_queue.site_key(f"full:{queue}"))
    queue_look.ask_length(pipeline, queue)
    _set, enough, length = pipeline.execute()
    return enough is None or length <= int(enough)


def forget_full(queue: str) -> None:
    """A job has ended: there may be room again."""
    redis_queue.client().delete(redis_queue.site_key(f"full:{queue}"))


def take_request(queue: str) -> bool:
    """Whether somebody has asked for a pass; the note is gone then."""
    return bool(redis_queue.client().delete(_again_key(queue)))


def is_requested(queue: str) -> bool:
    """Whether somebody has asked for a pass that nobody has begun, and that is still wanted.

    Jobs that ended while the last one counted them did not know that they would have to ask: it is done for them.
    """
    pipeline = redis_queue.client().pipeline(transaction=False)
    pipeline.get(_again_key(queue))
    queue_look.ask_backlog(pipeline, queue)
    queue_look.ask_ends(pipeline, queue)
    request, backlog, ends = pipeline.execute()
    if request is None and backlog != b"0" and queue_look.have_ended(*ends):
        ask_after_end(queue)
        return True
    return request == WANTED or (request == IF_SOME_ARE_LEFT and backlog != b"0")


def _again_key(queue: str) -> str:
    return redis_queue.site_key(f"again:{queue}")


def kept(queue: str, job_types: Sequence[str]) -> tuple[KeptTurns, dict[str, float | None]]:
    """The turns that `keep` kept, and the run times of these types (see `run_times.of`), in one round trip.

    If Redis has lost the turns, all organizations are level again.
    """
    pipeline = redis_queue.client().pipeline(transaction=False)
    pipeline.hgetall(redis_queue.site_key(f"turns:{queue}"))
    pipeline.smembers(redis_queue.site_key(f"lifted:{queue}"))
    run_times.ask(pipeline, job_types)
    passes, lifted, *times = pipeline.execute()
    turns = {name.decode(): float(value) for name, value in passes.items()}
    return KeptTurns(turns, {name.decode() for name in lifted}), run_times.of(job_types, times)
