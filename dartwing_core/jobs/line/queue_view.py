"""A worker's view of the queues: all that decides who runs next, in a few statements however many jobs wait."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ..access import tenancy
from ..access.standing import Limits
from ..job import circuits
from ..lib import config, sql
from ..lib.config import JobType
from ..status import LinePlace
from . import limits, line_queries
from .limits import Key
from .turns import Choice, Line, Turns

SHARE = 20
"""A view is good for so many times as long as its reading took. So reading takes a twentieth of a worker's time."""
SHORTEST, LONGEST = 0.05, 0.25
"""Seconds for which a view is good. A job that comes meanwhile waits for the next view."""
AHEAD = 20
"""So many names of a line are read at once for each worker that claims from it."""


class ReadAhead:
    """The jobs of a line that were read ahead, in a statement for many claims."""

    def __init__(self, line: Line, number: int, known: Sequence[line_queries.Place] = ()):
        """`number`: how many jobs are read at once. `known`: the only jobs, which are not read."""
        self._line, self._number = line, number
        self._next, self._is_all = deque(known), bool(known)
        self._passed: set[str] = set()

    def follow(self, line: Line) -> bool:
        """Go on with the line as a later view shows it. False if another job is first there than is known here."""
        while self._next and self._next[0].rank < line.rank:  # others have claimed it
            self._next.popleft()
        self._passed.clear()
        self._line, self._is_all = line, False
        return bool(self._next) and self._next[0].rank == line.rank

    def first_place(self) -> line_queries.Place | None:
        """The place of the next job. None if there is none."""
        if not self._next and not self._is_all:
            number = len(self._passed) + self._number  # skipped jobs may still be in front
            places = line_queries.first_places(self._line, number)
            self._next.extend(place for place in places if place.name not in self._passed)
            self._is_all = len(places) < number
        return self._next[0] if self._next else None

    def skip(self, also: int = 0) -> None:
        """Go on to the job behind the next one. `also`: leave so many more jobs to other workers.

        Those that are still there at the end are read again.
        """
        self._passed.add(self._next.popleft().name)
        if self._next and also:
            self._is_all = False
        for _one in range(min(also, len(self._next))):
            self._next.popleft()
        if self._next:
            self._line.rank = self._next[0].rank


@dataclass(slots=True)
class QueueView:
    """The jobs that may start, as of one moment. Others may have claimed some of them since."""

    choice: Choice
    types: Mapping[str, JobType | None]
    """Job Types by name. None for a type that is gone."""
    limits: Mapping[str, Limits]
    good_until: float
    """Until when the next job is claimed by it, as `time.monotonic()`."""
    workers: int
    """How many workers claim from the same lines."""
    _ahead: dict[tuple[str, str, str, str], ReadAhead] = field(default_factory=dict)

    def first_place(self, line: Line) -> line_queries.Place | None:
        """The place of a line's next job. None if there is none."""
        ahead = self._ahead.get(line.key)
        if ahead is None:
            ahead = self._ahead[line.key] = ReadAhead(line, AHEAD * self.workers)
        return ahead.first_place()

    def take_over(self, before: QueueView) -> None:
        """Keep what an earlier view has read ahead: the names of 20 organizations would cost a statement a job."""
        for line in self.choice.lines:
            ahead = before._ahead.get(line.key)
            if ahead and ahead.follow(line):
                self._ahead[line.key] = ahead

    def skip(self, line: Line, *, is_ours: bool) -> None:
        """Go on to the job behind. After a claim of ours, each of the other workers has claimed a job, too."""
        self._ahead[line.key].skip(also=self.workers - 1 if is_ours else 0)

    def caps(self, line: Line) -> dict[Key, int]:
        """The running caps that apply to the jobs of a line."""
        return limits.caps_of(self.limits, self.types, line.organization, line.job_type)

    def is_strict(self, line: Line) -> bool:
        """Whether the running jobs must be counted at the very moment at which a job of this line starts."""
        return bool(self.caps(line)) or circuits.has_breaker(self.types[line.job_type])


def read_view(queues: Collection[str] | None = None, turns: Turns | None = None, workers: int = 1) -> QueueView:
    """Read which jobs of these queues (all by default) may start.

    `turns`: the caller's turns; None if it claims nothing. `workers`: how many claim from these queues. The caller
    provides a fresh snapshot. Commits if held jobs get in line.
    """
    config.read_anew()
    began = time.monotonic()
    lines: list[Line] = []
    if not limits.pause_in_force():
        heads = line_queries.heads()
        if held := heads[LinePlace.HELD]:
            entered = sql.committed(partial(line_queries.admit, held))
            heads = line_queries.heads() if entered else heads
        paused = limits.paused(line.queue for line in heads[LinePlace.IN_LINE])
        lines = [line for line in heads[LinePlace.IN_LINE] if line.queue not in paused]
    return _build_view(lines, queues, began, turns, workers)


def read_view_of_job(line: Line, only: line_queries.Place) -> QueueView:
    """Read whether this job of a line may start. Others of the line may not."""
    lines = [] if limits.pause_in_force(line.queue) else [line]
    view = _build_view(lines, None, time.monotonic())
    view._ahead[line.key] = ReadAhead(line, 0, [only])
    return view


def _build_view(
    lines: list[Line], queues: Collection[str] | None, began: float, turns: Turns | None = None, workers: int = 1
) -> QueueView:
    limits_of = tenancy.limits_of(sorted({line.organization for line in lines}))
    types = {name: config.job_type(name) for name in {line.job_type for line in lines}}
    waits = [line for line in lines if limits_of[line.organization].may_start and may_start(types[line.job_type])]
    guarded = [name for name, job_type in types.items() if circuits.has_breaker(job_type)]
    stopped = {pair for pair, circuit in circuits.of_types(guarded).items() if circuit.stops_jobs}
    going = [line for line in waits if (line.organization, line.job_type) not in stopped]
    free = _under_caps(going, limits_of, types)
    weights = {name: found.weight for name, found in limits_of.items()}
    served = [line for line in free if queues is None or line.queue in queues]
    passes = turns.passes(waits, served, weights) if waits and turns else {}
    now = time.monotonic()
    good_until = now + min(LONGEST, max(SHORTEST, (now - began) * SHARE))
    return QueueView(Choice(served, passes, weights), types, limits_of, good_until, workers)


def may_start(job_type: JobType | None) -> bool:
    """Whether jobs of this Job Type are not paused."""
    return job_type is None or not job_type.is_paused  # jobs of a type that is gone fail at once, and say why


def _under_caps(lines: list[Line], limits_of: Mapping[str, Limits], types: Mapping[str, JobType | None]) -> list[Line]:
    """The lines of which one more job may run, by the jobs that run now. The claim decides it strictly."""
    caps = {line.key: limits.caps_of(limits_of, types, line.organization, line.job_type) for line in lines}
    if not any(caps.values()):
        return lines
    running = limits.count_running()
    return [line for line in lines if not limits.find_reached(caps[line.key], running)]
