"""A worker's view of the queues: all that decides who runs next, in a few statements however many jobs wait."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import frappe

from ..access import tenancy
from ..access.standing import Limits
from ..job import circuits, find, record
from ..lib import config, sql
from ..lib.config import JobType, Settings
from ..lib.rows import RungJob, WaitingRow
from ..lib.tables import JOB
from ..rq import doorbells
from ..status import LinePlace
from . import limits
from .limits import Key
from .turns import Line, Order, Place, Turns

SHARE = 20
"""A view is good for so many times as long as its reading took."""
SHORTEST, LONGEST = 0.05, 0.25
"""Seconds for which a view is good. A job that comes meanwhile waits for the next view."""
ADMITTED_AT_ONCE = 500  # held jobs of an organization in one call
LINE = ("queue", "organization", "job_type", "priority")
"""The columns that the jobs of one line have in common."""
_KEY = ", ".join(LINE)
_HEADS = (
    f"SELECT in_line, {_KEY}, MIN(admission_rank) FROM `tab{config.JOB}`"
    f" WHERE in_line >= {LinePlace.IN_LINE:d} GROUP BY in_line, {_KEY}"
)
_OF_LINE = (
    f"FROM `tab{config.JOB}` WHERE in_line = %(in_line)s AND "
    + " AND ".join(f"{column} = %({column})s" for column in LINE)
    + " ORDER BY admission_rank LIMIT %(limit)s"
)
_PLACES = f"SELECT name, admission_rank {_OF_LINE}"
_FIRST_JOBS = f"SELECT name, attempt, queue, timeout_seconds {_OF_LINE}"


@dataclass(slots=True)
class QueueView:
    """The jobs that may start, as of one moment. Others may have claimed some of them since."""

    order: Order
    types: Mapping[str, JobType | None]
    """Job Types by name. None for a type that is gone."""
    limits: Mapping[str, Limits]
    settings: Settings
    good_until: float
    """Until when the next job is claimed by it, as `time.monotonic()`."""

    def caps(self, line: Line) -> dict[Key, int]:
        """The running caps that apply to the jobs of a line."""
        return limits.caps_of(self.limits, self.types, line.organization, line.job_type)

    def is_strict(self, line: Line) -> bool:
        """Whether the running jobs must be counted at the very moment at which a job of this line starts."""
        return bool(self.caps(line)) or config.has_breaker(self.types[line.job_type])


def read_view(queues: Collection[str] | None = None, turns: Turns | None = None, workers: int = 1) -> QueueView:
    """Read the jobs that may start: in line, not paused, under their running caps, and of queues that are served.

    `queues`: those that are served, all by default. `turns`: the turns in them. `workers`: how many serve them. The
    caller provides a fresh snapshot. Commits if held jobs get in line.
    """
    began, first = time.monotonic(), heads()
    if not any(first.values()):
        return empty_view()
    settings = config.read_settings()
    if settings.pause_of():
        return empty_view()
    if held := first[LinePlace.HELD]:
        entered = sql.committed(partial(admit, held))
        first = heads() if entered else first
    lines = [line for line in first[LinePlace.IN_LINE] if not settings.pause_of(line.queue)]
    return _build_view(lines, settings, queues, began, turns, workers)


def empty_view() -> QueueView:
    """A view in which no job may start."""
    return QueueView(Order((), {}, {}, read_places), {}, {}, Settings(), good_until=0)


def read_view_of_job(line: Line, only: Place) -> QueueView:
    """Read whether this job of a line may start. Others of the line may not."""
    settings = config.read_settings()
    lines = [] if settings.pause_of(line.queue) else [line]
    view = _build_view(lines, settings, None, time.monotonic())
    line.places.append(only)
    line.is_all = True
    return view


def _build_view(
    lines: list[Line],
    settings: Settings,
    queues: Collection[str] | None,
    began: float,
    turns: Turns | None = None,
    workers: int = 1,
) -> QueueView:
    limits_of = tenancy.limits_of(sorted({line.organization for line in lines}))
    types = config.read_job_types({line.job_type for line in lines})
    waits = [line for line in lines if limits_of[line.organization].may_start and may_start(types[line.job_type])]
    guarded = [name for name, job_type in types.items() if config.has_breaker(job_type)]
    stopped = {pair for pair, circuit in circuits.of_types(guarded).items() if circuit.stops_jobs}
    going = [line for line in waits if (line.organization, line.job_type) not in stopped]
    free = _under_caps(going, limits_of, types)
    weights = {name: found.weight for name, found in limits_of.items()}
    served = [line for line in free if queues is None or line.queue in queues]
    passes = turns.passes(waits, served, weights) if waits and turns else {}
    now = time.monotonic()
    good_until = now + min(LONGEST, max(SHORTEST, (now - began) * SHARE))
    order = Order(served, passes, weights, read_places, workers)
    return QueueView(order, types, limits_of, settings, good_until)


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


def read_places(line: Line, limit: int, place: LinePlace = LinePlace.IN_LINE) -> list[Place]:
    """The places of a line's first jobs. Reads without locks."""
    return [Place(*row) for row in frappe.db.sql(_PLACES, _values(line, limit, place))]


def first_jobs(line: Line, limit: int) -> list[RungJob]:
    """The line's first jobs, with the columns for waking workers."""
    return frappe.db.sql(_FIRST_JOBS, _values(line, limit, LinePlace.IN_LINE), as_dict=True)


def _values(line: Line, limit: int, place: LinePlace) -> dict[str, Any]:
    return {**dict(zip(LINE, line.key, strict=True)), "in_line": int(place), "limit": limit}


# Held jobs ------------------------------------------------------------------------------------------------------------


def admit(held: Sequence[Line]) -> list[WaitingRow]:
    """Put jobs of these lines of held jobs in line, where their organizations' waiting caps have room again.

    Returns those that got in. Does not commit.
    """
    room = {}
    for name, found in tenancy.limits_of(sorted({line.organization for line in held})).items():
        is_capped = found.max_waiting and found.on_queue_full == "Hold"
        free = limits.count_free_places(name, found.max_waiting, LinePlace.IN_LINE) if is_capped else ADMITTED_AT_ONCE
        room[name] = min(ADMITTED_AT_ONCE, free)
    entered: list[WaitingRow] = []
    for line in sorted(held, key=lambda line: line.rank):
        if (left := room[line.organization]) > 0:
            names = [place.name for place in read_places(line, left, LinePlace.HELD)]
            rows = find.lock_waiting(names, None, LinePlace.HELD)
            room[line.organization] -= len(rows)
            entered += record.put_in_line(rows)
    return entered


def admit_held() -> int:
    """Put held jobs in line where others have left it. Returns how many got in. Commits."""
    return len(sql.committed(lambda: admit(heads()[LinePlace.HELD])))


# Doorbells ------------------------------------------------------------------------------------------------------------


def ring_for_line() -> int:
    """Wake workers for all jobs in line that may start. Returns how many entries were made.

    Raises redis.exceptions.RedisError.
    """
    lines = read_view().order.in_order()
    queues = sorted({line.queue for line in lines})
    made = 0
    for queue, workers in (doorbells.workers(queues) if queues else {}).items():
        jobs: list[RungJob] = []
        for line in lines:
            if line.queue == queue and len(jobs) <= workers:
                jobs += first_jobs(line, workers + 1 - len(jobs))
        made += doorbells.ring(jobs)
    return made
