"""What a worker sees when it looks who may go next: all that decides, in a few statements however many wait."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import frappe
from frappe.query_builder.functions import Count

from . import circuits, config, limits, pauses, redis_queue, sql, tenancy, waiting
from .choice import Choice, Line
from .limits import Key
from .status import JobStatus

SHARE = 20
"""A look is good for so many times as long as it took: looking takes a twentieth of a worker's time …"""
LONGEST = 0.25
"""… and for so many seconds at most: who comes in between waits until the next."""
AHEAD = 50
"""So many jobs of a line are read at once."""
TURNS_SECONDS = 3_600
TURNS = "turns"
JUST_BEFORE = 1e-6


@dataclass(slots=True)
class Look:
    """Who may go, as of one moment."""

    choice: Choice
    types: Mapping[str, Any]
    """Job Types by name; None for one that is gone."""
    limits: Mapping[str, tenancy.Limits]
    is_good_until: float
    """As `time.monotonic()`."""
    turns_key: str
    """Where the passes are kept that it has gone by."""
    _ahead: dict[tuple[str, str, str, str], deque[dict[str, Any]]] = field(default_factory=dict)
    _whole: set[tuple[str, str, str, str]] = field(default_factory=set)
    """Lines of which all jobs were read."""
    _passed: set[str] = field(default_factory=set)

    def first(self, line: Line) -> dict[str, Any] | None:
        """The next job of a line, with the columns of `waiting.first`; None if there is none.

        Some are read ahead, as of the transaction's snapshot. They may be other workers' by now.
        """
        ahead = self._ahead.get(line.key)
        if not ahead and line.key not in self._whole:
            number = AHEAD * (len(self._passed) // AHEAD + 2)  # some of them may be behind those that were passed
            rows = waiting.first(line, number)
            left = [row for row in rows if row["name"] not in self._passed]
            ahead = self.know(line, left, is_whole=len(rows) < number)
        return ahead[0] if ahead else None

    def know(self, line: Line, jobs: Iterable[dict[str, Any]], *, is_whole: bool) -> deque[dict[str, Any]]:
        """These are the next jobs of a line, and (`is_whole`) all that matter."""
        if is_whole:
            self._whole.add(line.key)
        self._ahead[line.key] = deque(jobs)
        return self._ahead[line.key]

    def pass_by(self, line: Line) -> None:
        """The next job of a line is taken, or somebody else's: it is the turn of the one behind it."""
        ahead = self._ahead[line.key]
        self._passed.add(ahead.popleft()["name"])
        if ahead:
            line.rank = ahead[0]["admission_rank"]

    def caps(self, line: Line) -> dict[Key, int]:
        """The running caps that a job of a line is under."""
        organization, job_type = line.organization, line.job_type
        return limits.caps_of(self.limits[organization], self.types[job_type], organization, job_type)

    def is_strict(self, line: Line) -> bool:
        """Whether a job of a line may start only after a look at what runs at that very moment."""
        return bool(self.caps(line)) or circuits.has_breaker(self.types[line.job_type])


NOTHING = Look(Choice((), {}, {}), {}, {}, 0, "")


def look(queues: Collection[str] | None = None, *, takes: bool = True) -> Look:
    """Who may go next, of these queues (all by default).

    `takes`: the caller takes one of them; whoever takes nobody leaves the turns alone. The caller sees to a fresh
    snapshot. Commits if held jobs got in line.
    """
    began = _begin()
    heads = [] if pauses.is_paused() else waiting.heads()
    if (held := _held(heads)) and sql.committed(lambda: waiting.let_in(held)):
        heads = waiting.heads()
    return _look_at(heads, queues, began, takes=takes)


def look_along(queues: Collection[str] | None, snapshot_age: float) -> Look | None:
    """The same in a transaction that is so many seconds old, and is not committed here.

    None if held jobs have to be looked after, which takes a commit.
    """
    began = _begin()
    heads = [] if pauses.is_paused() else waiting.heads()
    return None if _held(heads) else _look_at(heads, queues, began, snapshot_age)


def look_at(line: Line) -> Look:
    """Whether the jobs of one line may go."""
    began = _begin()
    head = {**dict(zip(waiting.LINE, line.key, strict=True)), "in_line": waiting.IN_LINE, "rank": line.rank}
    return _look_at([] if pauses.is_paused() else [head], None, began)


def _begin() -> float:
    if config.is_keeping():
        config.keep()
    return time.monotonic()


def _held(heads: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [head for head in heads if head["in_line"] == waiting.HELD]


def _look_at(
    heads: Sequence[Mapping[str, Any]],
    queues: Collection[str] | None,
    began: float,
    snapshot_age: float = 0,
    *,
    takes: bool = True,
) -> Look:
    going = pauses.not_paused(head for head in heads if head["in_line"] == waiting.IN_LINE)
    lines = [Line(**{column: head[column] for column in (*waiting.LINE, "rank")}) for head in going]
    limits_of = tenancy.limits_of(sorted({line.organization for line in lines}))
    types = {name: config.job_type(name) for name in {line.job_type for line in lines}}
    waits = [line for line in lines if limits_of[line.organization].may_start and may_start(types[line.job_type])]
    free = _under_caps(_not_held(waits, types), limits_of, types)
    weights = {name: found.weight for name, found in limits_of.items()}
    served = [line for line in free if queues is None or line.queue in queues]
    key = _turns_key(queues)
    passes = _passes(key, waits, served, queues, weights) if waits and takes else {}
    now = time.monotonic()
    good_for = min(LONGEST, (now - began) * SHARE) - snapshot_age
    return Look(Choice(served, passes, weights), types, limits_of, now + good_for, key)


def _not_held(lines: list[Line], types: Mapping[str, Any]) -> list[Line]:
    """Those of which no circuit keeps the jobs from starting."""
    guarded = [name for name, job_type in types.items() if circuits.has_breaker(job_type)]
    found = circuits.of_types(guarded) if guarded else {}
    held = {pair for pair, circuit in found.items() if circuit.is_held}
    return [line for line in lines if (line.organization, line.job_type) not in held]


def may_start(job_type: Any) -> bool:
    """Whether jobs of this Job Type are not paused."""
    return job_type is None or not job_type.is_paused  # of a type that is gone the jobs fail at once, and say why


def _under_caps(lines: list[Line], limits_of: Mapping[str, tenancy.Limits], types: Mapping[str, Any]) -> list[Line]:
    """Those of which one more may run, by what runs now; strictly that is decided when one is taken."""
    if not any(limits.caps_of(limits_of[line.organization], types[line.job_type], "", "") for line in lines):
        return lines
    slots = limits.Slots(running(), limits_of, types)
    return [line for line in lines if slots.fits(line.organization, line.job_type)]


def running() -> list[dict[str, Any]]:
    """How many jobs run, by organization and type: as the rows say, so that no slot leaks."""
    return running_query().run(as_dict=True)


def running_query():
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.organization, job.job_type, Count("*").as_("number"))
    return query.where(job.status == str(JobStatus.RUNNING)).groupby(job.organization, job.job_type)


# Passes: in Redis, where they may be lost ------------------------------------------------------------------------


def _passes(
    key: str,
    waits: Sequence[Line],
    served: Sequence[Line],
    queues: Collection[str] | None,
    weights: Mapping[str, int],
) -> dict[str, float]:
    """The passes of those who wait; what is kept of them is put right first.

    Who does not wait keeps no turns, but what it has had too many. Who comes anew begins just before the lowest of
    those that may go. Who has no slot does not fall behind them by more than a turn.
    """
    kept: Any = redis_queue.if_there(lambda: redis_queue.client().hgetall(key)) or {}
    passes = {name.decode(): float(value) for name, value in kept.items()}
    here, going = ({line.organization for line in lines} for lines in (waits, served))
    blocked = {line.organization for line in waits if queues is None or line.queue in queues} - going
    known = [passes[name] for name in going if name in passes]
    floor = min(known, default=0.0)
    lowest = {name: floor - 1 / max(1, weights[name]) for name in blocked if name in passes}
    raised = {name: value for name, value in lowest.items() if passes[name] < value}
    new = {name: floor - JUST_BEFORE for name in going if name not in passes}
    gone = [name for name in passes if name not in here and (not known or passes[name] <= floor)]
    if gone or raised or new:
        redis_queue.if_there(lambda: _put_right(key, gone, raised, new))
    return {name: value for name, value in (passes | raised | new).items() if name in here}


def _put_right(key: str, gone: Sequence[str], raised: Mapping[str, float], new: Mapping[str, float]) -> None:
    pipeline = redis_queue.client().pipeline(transaction=False)
    if gone:
        pipeline.hdel(key, *gone)
    if raised:
        pipeline.hset(key, mapping=dict(raised))
    for name, value in new.items():
        pipeline.hsetnx(key, name, str(value))
    pipeline.expire(key, TURNS_SECONDS)
    pipeline.execute()


def note_turn(pipeline: Any, key: str, organization: str, start: float, price: float) -> None:
    """Add to a round trip that an organization has had a turn; `start`: its pass before, if none is kept."""
    pipeline.hsetnx(key, organization, start)
    pipeline.hincrbyfloat(key, organization, price)
    pipeline.expire(key, TURNS_SECONDS)


def _turns_key(queues: Collection[str] | None) -> str:
    """Workers that serve the same queues share their turns, and no others: what an organization has got of one queue is
    not held against it in another."""
    return redis_queue.site_key(f"{TURNS}:{','.join(sorted(queues)) if queues is not None else '*'}")
