"""Whose turn it is: the turns of organizations.

Stride scheduling: each organization has a pass. The lowest is next, and pays 1 / weight for its turn (Waldspurger and
Weihl, Stride Scheduling, MIT 1995). A pass counts only while its organization can run jobs. An organization that had
no jobs or no slot, or was paused, comes back level with the lowest of the others. Thus none saves up turns.

Priority is a head start of some turns, which are paid from the organization's own pass. Thus an urgent job goes ahead
of others' floods, and a flood of urgent jobs starves nobody. Within an organization rank decides (`priorities.rank`).

The passes lie in Redis, where workers of the same queues share them. They may be lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any

from ..lib.priorities import HEAD_START_TURNS
from ..rq import redis_queue

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


# Selection -----------------------------------------------------------------------------------------------------------


_Turn = tuple[float, float, str]
"""Pass less head start, then the first job's rank among equals, then the organization."""


@dataclass(slots=True)
class Line:
    """The jobs in line of one queue, organization, type and priority."""

    queue: str
    organization: str
    job_type: str
    priority: str
    rank: float
    """The rank of its first job, or a lower one where that is not known any more."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The four values by which lines differ."""
        return self.queue, self.organization, self.job_type, self.priority


class Choice:
    """The lines from which a worker may claim, and whose turn it is."""

    def __init__(self, lines: Iterable[Line], passes: Mapping[str, float], weights: Mapping[str, int]):
        """`passes`: as kept. Organizations without a pass begin at the lowest of the others.

        `weights`: turns of each organization in a round, 1 by default.
        """
        self._lines: dict[str, list[Line]] = {}
        for line in lines:
            self._lines.setdefault(line.organization, []).append(line)
        start = min((passes[name] for name in self._lines if name in passes), default=0.0)
        self.passes = {name: passes.get(name, start) for name in self._lines}
        self._weights = weights
        self._turns: list[_Turn] = []
        self._turn_of: dict[str, _Turn] = {}
        for name in self._lines:
            self._line_up(name)

    @property
    def lines(self) -> list[Line]:
        """All lines whose jobs may start."""
        return [line for lines in self._lines.values() for line in lines]

    def next(self) -> Line | None:
        """The line whose turn it is. None if there is none."""
        while self._turns:
            turn = self._turns[0]
            if self._turn_of.get(turn[2]) is turn:
                return self._first(turn[2])
            heappop(self._turns)
        return None

    def in_order(self) -> list[Line]:
        """All lines whose jobs may start, in the order of their turns."""
        return sorted(self.lines, key=self._turn)

    def is_next(self, line: Line, rank: float) -> bool:
        """Whether this line stays next of its organization, now that its first job's rank is known."""
        if line.rank != rank:
            line.rank = rank
            self._line_up(line.organization)
        return self._first(line.organization) is line

    def charge_turn(self, line: Line) -> float:
        """Charge a line's organization for a turn; returns the price. The next job's rank is unknown, but no lower."""
        price = 1 / max(1, self._weights.get(line.organization, 1))
        self.passes[line.organization] += price
        self._line_up(line.organization)
        return price

    def drop(self, line: Line) -> None:
        """Drop a line: none of its jobs can start."""
        name = line.organization
        self._lines[name] = [other for other in self._lines[name] if other is not line]
        if self._lines[name]:
            self._line_up(name)
        else:
            del self._lines[name], self.passes[name], self._turn_of[name]

    def drop_capped(self, key: tuple[str | None, str | None]) -> None:
        """Drop the lines of an organization, of a type, or of both (None stands for all)."""
        organization, job_type = key
        for line in self.lines:
            if organization in (None, line.organization) and job_type in (None, line.job_type):
                self.drop(line)

    def _first(self, organization: str) -> Line:
        return min(self._lines[organization], key=attrgetter("rank"))

    def _line_up(self, organization: str) -> None:
        turn = self._turn_of[organization] = self._turn(self._first(organization))
        heappush(self._turns, turn)

    def _turn(self, line: Line) -> _Turn:
        head_start = HEAD_START_TURNS.get(line.priority, 0.0)
        return self.passes[line.organization] - head_start, line.rank, line.organization
