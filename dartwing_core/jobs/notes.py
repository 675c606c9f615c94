"""What admission notes in Redis. All of it may be lost: the rows are the truth, a lost note costs a turn at most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import redis_queue


def set_backlog(queue: str, has_backlog: bool) -> None:
    """Note whether jobs of a queue await their turn in the database: what is submitted then has to line up too."""
    change = redis_queue.client().sadd if has_backlog else redis_queue.client().srem
    change(redis_queue.site_key("backlog"), queue)


def note_again(queue: str) -> None:
    """Ask whoever admits jobs to a queue right now to look once more."""
    redis_queue.client().set(redis_queue.site_key(f"again:{queue}"), 1, ex=60)


def is_noted_again(queue: str) -> bool:
    """Whether somebody asked; the note is gone then."""
    return bool(redis_queue.client().delete(redis_queue.site_key(f"again:{queue}")))


def passes(queue: str) -> dict[str, float]:
    """What `keep_passes` kept; if Redis has lost it, all organizations are level again."""
    found: Any = redis_queue.client().hgetall(redis_queue.site_key(f"turns:{queue}"))
    return {name.decode(): float(value) for name, value in found.items()}


def keep_passes(queue: str, passes: Mapping[str, float]) -> None:
    """Keep the passes of the organizations that have waiting jobs; the others' are forgotten."""
    key = redis_queue.site_key(f"turns:{queue}")
    pipeline = redis_queue.client().pipeline()
    pipeline.delete(key)
    if passes:
        pipeline.hset(key, mapping=dict(passes))
        pipeline.expire(key, 3600)
    pipeline.execute()
