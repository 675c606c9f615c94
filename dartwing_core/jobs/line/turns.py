"""Whose turn it is: the turns of organizations, and the order of their jobs.

Stride scheduling: each organization has a pass. The lowest is next, and pays 1 / weight for its turn (Waldspurger and
Weihl, Stride Scheduling, MIT 1995). A pass counts only while its organization can run jobs. An organization that had
no jobs or no slot, or was paused, comes back level with the lowest of the others. Thus none saves up turns.

Priority is a head start of some turns, which are paid from the organization's own pass. Thus an urgent job goes ahead
of others' floods, and a flood of urgent jobs starves nobody. Within an organization rank decides (`rows.rank`).

The passes lie in Redis, where workers of the same queues share them. They may be lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any, NamedTuple

from ..lib.rows import HEAD_START_TURNS
from ..rq import redis_queue

TURNS = "turns"
KEPT_SECONDS = 3_600
JUST_BEFORE = 1e-6
AHEAD = 20
"""So many names of a line are read at once for each worker that claims from it."""
MOST_LOCKED = 100
"""Locked jobs after which a line is left for now. A transaction that cancels thousands must not hold up a claim."""


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


# The order -----------------------------------------------------------------------------------------------------------


_Turn = tuple[float, float, str]
"""Pass less head start, then the first job's rank among equals, then the organization."""


class Place(NamedTuple):
    """The place of a job in its line."""

    name: str
    rank: float


@dataclass(slots=True)
class Line:
    """The jobs in line of one queue, organization, type and priority."""

    queue: str
    organization: str
    job_type: str
    priority: str
    rank: float
    """The rank of its first job, or a lower one where that is not known any more."""
    places: deque[Place] = field(default_factory=deque)
    """Its first jobs, as far as they are read."""
    left: set[float] = field(default_factory=set)
    """The ranks of jobs that were left to other workers."""
    passed: set[str] = field(default_factory=set)
    """Jobs that this process has claimed, or that others keep locked."""
    locked: int = 0
    """How many of them others keep locked."""
    is_all: bool = False
    """Whether no jobs are behind those of `places`."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The four values by which lines differ."""
        return self.queue, self.organization, self.job_type, self.priority


ReadAhead = Callable[[Line, int], list[Place]]
"""Reads so many of a line's first jobs."""


class Order:
    """The jobs from which a worker may claim, in the order of their turns. The one owner of that order."""

    def __init__(
        self,
        lines: Iterable[Line],
        passes: Mapping[str, float],
        weights: Mapping[str, int],
        read_ahead: ReadAhead,
        workers: int = 1,
    ):
        """`passes`: as kept. Organizations without a pass begin at the lowest of the others.

        `weights`: turns of each organization in a round, 1 by default. `workers`: how many claim from the same lines.
        """
        self._lines: dict[str, list[Line]] = {}
        for line in lines:
            self._lines.setdefault(line.organization, []).append(line)
        start = min((passes[name] for name in self._lines if name in passes), default=0.0)
        self.passes = {name: passes.get(name, start) for name in self._lines}
        self._weights, self._read_ahead, self._workers = weights, read_ahead, workers
        self._turns: list[_Turn] = []
        self._turn_of: dict[str, _Turn] = {}
        for name in self._lines:
            self._line_up(name)

    @property
    def lines(self) -> list[Line]:
        """All lines whose jobs may start."""
        return [line for lines in self._lines.values() for line in lines]

    def in_order(self) -> list[Line]:
        """All lines whose jobs may start, in the order of their turns."""
        return sorted(self.lines, key=self._turn)

    def next(self) -> Line | None:
        """The line whose turn it is. None if there is none."""
        while self._turns:
            turn = self._turns[0]
            if self._turn_of.get(turn[2]) is turn:
                return self._first(turn[2])
            heappop(self._turns)
        return None

    def first_job(self, line: Line) -> str | None:
        """The first job of the next line. None if it has none, or if another one of its organization goes first by now.

        Its organization keeps the turn: where others were quicker, they were in other organizations too.
        """
        if not line.places and not line.is_all:
            number = len(line.passed) + AHEAD * self._workers  # passed jobs may still be in front
            places = self._read_ahead(line, number)
            line.places.extend(place for place in places if place.name not in line.passed)
            line.is_all = len(places) < number
        if not line.places or line.locked >= MOST_LOCKED:
            self.drop(line)
            return None
        place = line.places[0]
        if line.rank != place.rank:
            line.rank = place.rank
            self._line_up(line.organization)
        return place.name if self._first(line.organization) is line else None

    def pass_by(self, line: Line) -> None:
        """Go on to the job behind the first one, which another session keeps locked."""
        line.locked += 1
        line.passed.add(line.places.popleft().name)

    def take(self, line: Line) -> float:
        """Take the first job of a line. Charges its organization for a turn, and returns the price.

        Each of the other workers takes one as well. Those that are still there at the end are read again.
        """
        line.passed.add(line.places.popleft().name)
        if line.places and self._workers > 1:
            line.is_all = False
        for _one in range(min(self._workers - 1, len(line.places))):
            line.left.add(line.places.popleft().rank)
        if line.places:
            line.rank = line.places[0].rank
        price = 1 / max(1, self._weights.get(line.organization, 1))
        self.passes[line.organization] += price
        self._line_up(line.organization)
        return price

    def follow(self, before: Order) -> None:
        """Keep what an earlier view has read ahead: the names of 20 organizations would cost a statement a job."""
        read = {line.key: line for line in before.lines}
        for line in self.lines:
            earlier = read.get(line.key, line)
            while earlier.places and earlier.places[0].rank < line.rank:  # others have claimed it
                earlier.places.popleft()
            is_left = line.rank in earlier.left
            if is_left or (earlier.places and earlier.places[0].rank == line.rank):  # else another job is first by now
                line.places, line.left = earlier.places, earlier.left

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
