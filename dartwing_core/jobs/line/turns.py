"""The passes of organizations (`selection`), in Redis. Workers that serve the same queues share them.

They may be lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..rq import redis_queue
from .selection import Line

TURNS = "turns"
KEPT_SECONDS = 3_600
JUST_BEFORE = 1e-6


class Turns:
    """The turns that organizations get in some queues (all by default)."""

    def __init__(self, queues: Collection[str] | None = None):
        # Turns in one queue are not held against an organization in another.
        self._queues = queues
        self._key = redis_queue.site_key(f"{TURNS}:{','.join(sorted(queues)) if queues is not None else '*'}")

    def record_turn(self, pipeline: Any, organization: str, start: float, price: float) -> None:
        """Record in a pipeline that an organization has had a turn. `start`: its pass before, if none is kept."""
        pipeline.hsetnx(self._key, organization, start)
        pipeline.hincrbyfloat(self._key, organization, price)
        pipeline.expire(self._key, KEPT_SECONDS)

    def passes(self, waits: Sequence[Line], served: Sequence[Line], weights: Mapping[str, int]) -> dict[str, float]:
        """Correct the kept passes, and return those of the organizations that wait.

        An organization that does not wait keeps a debt, but no saved turns. A new one begins just before the lowest of
        those whose jobs may start. One without a slot stays at most a turn below them.
        """
        kept: Any = redis_queue.if_there(lambda: redis_queue.client().hgetall(self._key)) or {}
        passes = {name.decode(): float(value) for name, value in kept.items()}
        here, going = ({line.organization for line in lines} for lines in (waits, served))
        blocked = {line.organization for line in waits if self._queues is None or line.queue in self._queues} - going
        known = [passes[name] for name in going if name in passes]
        floor = min(known, default=0.0)
        lowest = {name: floor - 1 / max(1, weights[name]) for name in blocked if name in passes}
        raised = {name: value for name, value in lowest.items() if passes[name] < value}
        new = {name: floor - JUST_BEFORE for name in going if name not in passes}
        gone = [name for name in passes if name not in here and (not known or passes[name] <= floor)]
        if gone or raised or new:
            redis_queue.if_there(lambda: self._put_right(gone, raised, new))
        return {name: value for name, value in (passes | raised | new).items() if name in here}

    def _put_right(self, gone: Sequence[str], raised: Mapping[str, float], new: Mapping[str, float]) -> None:
        pipeline = redis_queue.client().pipeline(transaction=False)
        if gone:
            pipeline.hdel(self._key, *gone)
        if raised:
            pipeline.hset(self._key, mapping=dict(raised))
        for name, value in new.items():
            pipeline.hsetnx(self._key, name, str(value))
        pipeline.expire(self._key, KEPT_SECONDS)
        pipeline.execute()
