"""A worker's view of the queues: all that decides who runs next, in a few statements however many jobs wait."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import frappe

from ..access import tenancy
from ..access.standing import Limits
from ..job import circuits, find, record
from ..lib import config, sql
from ..lib.config import JobType
from ..lib.rows import RungJob, WaitingRow
from ..lib.tables import JOB
from ..status import LinePlace
from . import limits
from .limits import Key
from .turns import Choice, Line, Turns

SHARE = 20
"""A view is good for so many times as long as its reading took."""
SHORTEST, LONGEST = 0.05, 0.25
"""Seconds for which a view is good. A job that comes meanwhile waits for the next view."""
AHEAD = 20
"""So many names of a line are read at once for each worker that claims from it."""
ADMITTED_AT_ONCE = 500  # held jobs of an organization in one call
LINE = ("queue", "organization", "job_type", "priority")
"""The columns that the jobs of one line have in common."""
_KEY = ", ".join(LINE)
_HEADS = (
    f"SELECT in_line, {_KEY}, MIN(admission_rank) AS `rank` FROM `tab{config.JOB}`"
    f" WHERE in_line >= {LinePlace.IN_LINE:d} GROUP BY in_line, {_KEY}"
)
_OF_LINE = " AND ".join(f"{column} = %({column})s" for column in LINE)


class Place(NamedTuple):
    """The place of a job in its line."""

    name: str
    rank: float


class ReadAhead:
    """The jobs of a line that were read ahead, in a statement for many claims."""

    def __init__(self, line: Line, number: int, known: Sequence[Place] = ()):
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

    def first_place(self) -> Place | None:
        """The place of the next job. None if there is none."""
        if not self._next and not self._is_all:
            number = len(self._passed) + self._number  # skipped jobs may still be in front
            rows = _first("name, admission_rank AS `rank`", self._line, number)
            self._next.extend(Place(**row) for row in rows if row["name"] not in self._passed)
            self._is_all = len(rows) < number
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

    def first_place(self, line: Line) -> Place | None:
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


@config.keeping()
@config.passing_cache()
def read_view(queues: Collection[str] | None = None, turns: Turns | None = None, workers: int = 1) -> QueueView:
    """Read which jobs of these queues (all by default) may start.

    `turns`: the caller's turns; None if it claims nothing. `workers`: how many claim from these queues. The caller
    provides a fresh snapshot. Commits if held jobs get in line.
    """
    config.read_anew()
    began = time.monotonic()
    lines: list[Line] = []
    if not limits.pause_in_force():
        first = heads()
        if held := first[LinePlace.HELD]:
            entered = sql.committed(partial(admit, held))
            first = heads() if entered else first
        paused = limits.paused(line.queue for line in first[LinePlace.IN_LINE])
        lines = [line for line in first[LinePlace.IN_LINE] if line.queue not in paused]
    return _build_view(lines, queues, began, turns, workers)


@config.passing_cache()
def read_view_of_job(line: Line, only: Place) -> QueueView:
    """Read whether this job of a line may start. Others of the line may not."""
    lines = [] if limits.pause_in_force(line.queue) else [line]
    view = _build_view(lines, None, time.monotonic())
    view._ahead[line.key] = ReadAhead(line, 0, [only])
    return view


def _build_view(
    lines: list[Line], queues: Collection[str] | None, began: float, turns: Turns | None = None, workers: int = 1
) -> QueueView:
    limits_of = tenancy.limits_of(sorted({line.organization for line in lines}))
    types = config.job_types({line.job_type for line in lines})
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


# The lines -----------------------------------------------------------------------------------------------------------


def heads() -> dict[int, list[Line]]:
    """The lines of all queues, and those of held jobs. For one queue, the server would read all of its entries."""
    found: dict[int, list[Line]] = {LinePlace.IN_LINE: [], LinePlace.HELD: []}
    for place, *line in frappe.db.sql(_HEADS):
        found[place].append(Line(*line))
    return found


def queues() -> list[str]:
    """The queues that have jobs in line or held jobs."""
    # For a range, the server reads only each group's first entry. For `DISTINCT queue` it would read all entries.
    query = frappe.qb.from_(JOB).select(JOB.queue).where(JOB.in_line >= LinePlace.IN_LINE)
    return sorted(set(query.groupby(JOB.in_line, JOB.queue).run(pluck=True)))


def first_jobs(line: Line, limit: int) -> list[RungJob]:
    """The line's first jobs, with the columns for waking workers."""
    return _first("name, attempt, queue, timeout_seconds", line, limit)


def _first(columns: str, line: Line, limit: int, place: LinePlace = LinePlace.IN_LINE) -> list[Any]:
    """Columns of a line's first jobs. Reads without locks."""
    text = f"SELECT {columns} FROM `tab{config.JOB}` WHERE in_line = {place:d} AND {_OF_LINE}"
    key = dict(zip(LINE, line.key, strict=True))
    return frappe.db.sql(f"{text} ORDER BY admission_rank LIMIT {limit:d}", key, as_dict=True)


# Held jobs ------------------------------------------------------------------------------------------------------------


def admit(held: Sequence[Line]) -> list[WaitingRow]:
    """Put jobs of these lines of held jobs in line, where their organizations' waiting caps have room again.

    Returns those that got in. Does not commit.
    """
    room = {}
    for name, found in tenancy.limits_of(sorted({line.organization for line in held})).items():
        is_capped = found.max_waiting and found.on_queue_full == "Hold"
        free = limits.count_free_places(name, found.max_waiting) if is_capped else ADMITTED_AT_ONCE
        room[name] = min(ADMITTED_AT_ONCE, free)
    entered: list[WaitingRow] = []
    for line in sorted(held, key=lambda line: line.rank):
        if (left := room[line.organization]) > 0:
            names = [row["name"] for row in _first("name", line, left, LinePlace.HELD)]
            rows = find.lock_waiting(names, None, LinePlace.HELD)
            room[line.organization] -= len(rows)
            entered += record.put_in_line(rows)
    return entered
