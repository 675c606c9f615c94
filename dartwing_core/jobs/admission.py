"""Which waiting jobs are queued next.

Of each queue only a window of jobs is in RQ at any time; the rest waits in the database, where organizations take turns
and limits hold. A pass asks a handful of questions, each answered from an index, however many jobs wait.

Passes run after commits that left jobs waiting, after settled jobs and in the sweeper; one at a time for a queue of a
site. Who wants one leaves a note first: whoever makes passes right now then makes one more, and nobody has to wait.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import frappe
import redis
from rq.timeouts import BaseTimeoutException

from . import (
    circuits,
    config,
    dispatch,
    lifting,
    limits,
    notes,
    queue_look,
    queueing,
    redis_queue,
    reservations,
    sql,
    tenancy,
    waiting,
)
from .choice import Choice
from .status import JobStatus

SMALLEST_WINDOW = 8
JOBS_PER_WORKER = 4
AHEAD_SECONDS = 2.0
"""A window holds so many seconds' work of its queue's workers, if that is between the limits."""
LET_IN = 500  # held jobs of an organization in one pass
PASSES = 10
"""At most so many in a row: the session may be that of a web request."""
MAINTENANCE, EVERYTHING, QUEUE = "maintenance", "everything", "queue"


def window(workers: int, run_time: float | None) -> int:
    """How many jobs of a queue may be in RQ, unless a setting says so.

    As many as keep its workers busy from one pass to the next, and no more: who comes waits for those that are there,
    and what waits in the database is ordered as late as possible. `run_time`: seconds that jobs of the type take
    that asks for room; None if nobody knows yet, which counts as long.
    """
    if size := config.settings().queue_window:
        return size
    most = max(SMALLEST_WINDOW, JOBS_PER_WORKER * workers)
    if not workers:
        return most
    ahead = 0 if run_time is None else workers * AHEAD_SECONDS / max(run_time, 0.001)
    least = workers + 1  # and one, in case a worker has died with an entry that it did not claim
    return max(least, math.ceil(min(most, ahead)))


def has_room(reserved: reservations.Reservation) -> bool:
    """Whether the jobs for which places are reserved may be queued at once: they fit into the window, and nobody awaits
    a turn."""
    look, places = reserved.look, reserved.others + reserved.number
    return look.backlog is False and look.length + places <= window(look.workers, reserved.run_time)


def is_limited(organization: str, limits_of: tenancy.Limits, job_type: Any) -> bool:
    """Whether jobs of this type and organization can't go without asking who else is running."""
    caps = limits.caps_of(limits_of, job_type, "", "")
    return bool(caps or limits_of.is_paused or job_type.is_paused) or circuits.is_noted_open(job_type, organization)


def admit_all() -> int:
    """A pass over each queue that somebody waits for; returns how many jobs were queued."""
    return _admit_each(waiting.queues())


def after_settle(job: Mapping[str, Any], run_time: float) -> int:
    """A pass if jobs wait for the queue and half of those in RQ have ended; returns how many were queued. `run_time`:
    seconds that the job took.

    The end of a job under a cap may let others start that wait for other queues.
    """
    queue = job["queue"]
    backlog, is_due = queue_look.note_end(queue, job["job_type"], run_time)
    queues = set()
    if backlog is not False:
        if is_due:
            queues.add(queue)
        else:
            notes.forget_full(queue)
    if job["caps"]:
        queues |= notes.backlogged()
    return _admit_each(queues, after_end=True)


def after_cancel(jobs: Sequence[Mapping[str, Any]]) -> int:
    """Take the entries of jobs that were Queued when they were canceled out of RQ, and let others have their places;
    returns how many were queued."""
    client = redis_queue.connection()
    found = redis_queue.remove([(job, job["queue"]) for job in jobs], client)
    left = [job for job in jobs if job["name"] not in found]
    elsewhere = [(job, queue) for job in left for queue in config.possible_queues(job) if queue != job["queue"]]
    if elsewhere:
        found |= redis_queue.remove(elsewhere, client)
    queues = {job["queue"] for job in jobs} | set(found.values())
    return _admit_each(queues, after_end=True)


def _admit_each(queues: Iterable[str], after_end: bool = False) -> int:
    """A pass over each of these queues; one that fails holds up no other."""
    return sum(dispatch.quietly(partial(admit, queue, after_end)) or 0 for queue in config.by_priority(queues))


def after_line_up(queue: str) -> int:
    """A pass for jobs that have just lined up; returns how many were queued.

    Not if the last pass, a moment ago, has found the window full, and entries are left with which a settle makes no
    pass yet: the jobs behind them will make the next one. So somebody who submits one job after the other behind a long
    line does not ask each time.
    """
    return admit(queue) if notes.ask_for_pass_unless_full(queue) else 0


def admit(queue: str, after_end: bool = False) -> int:
    """Queue as many waiting jobs as there is room for; returns how many. Commits.

    `after_end`: because a job has ended; a pass under way that leaves nobody is enough then.
    """
    if is_paused(queue):
        return 0
    admitted: list[Mapping[str, Any]] = []
    ask = notes.ask_after_end if after_end else notes.ask_for_pass
    ask(queue)
    for _pass in range(PASSES):
        with sql.named_lock(f"admit:{queue}") as is_ours:
            if not is_ours:
                break  # who holds the lock looks for the note when it is released
            if notes.take_request(queue):
                admitted += _admit_for_all(queue)
        if not notes.is_requested(queue):
            break
    # A line makes its passes as the jobs of its own window settle: whoever was lifted out of there is replaced.
    return len(admitted) + sum(admit(name) for name in sorted(lifting.left_by(admitted)))


def _admit_for_all(queue: str) -> list[Mapping[str, Any]]:
    """A pass; if it fails, who has asked for another meanwhile relies on the next."""
    try:
        return _admit(queue)
    except BaseTimeoutException:
        raise
    except Exception:
        if not notes.is_requested(queue):
            raise
        frappe.logger("dartwing_core").exception("An admission pass failed, and is made again")
        return []


def _admit(queue: str) -> list[Mapping[str, Any]]:
    look, reserved = reservations.begin_pass(queue)
    sql.commit()  # a snapshot that shows what the pass before this one did
    this = _Pass(queue, look, reserved)
    return dispatch.in_own_transaction(this.queue_next, this.note)


def is_paused(queue: str | None = None) -> bool:
    """Whether nothing of this queue, or of any, may start."""
    return pause_in_force(queue) is not None


def pause_in_force(queue: str | None = None) -> str | None:
    """MAINTENANCE, EVERYTHING or QUEUE, whichever keeps jobs of this queue (or of any) from starting; None if none."""
    settings = config.settings()
    if frappe.conf.maintenance_mode:
        return MAINTENANCE
    if settings.is_paused:
        return EVERYTHING
    return QUEUE if queue in settings.paused_queues else None


def why_paused(queue: str | None = None) -> str | None:
    """For the history of a job that is held back; None if the queue is not paused."""
    pause = pause_in_force(queue)
    if pause is None:
        return None
    return {
        MAINTENANCE: "the site is being maintained",
        EVERYTHING: "all jobs are paused",
        QUEUE: f"the queue {queue} is paused",
    }[pause]


class _Pass:
    """One pass over a queue: what it takes, and what it leaves behind."""

    def __init__(self, queue: str, look: queue_look.Look, reserved: int):
        self._queue = queue
        self._look = look
        self._reserved = reserved

    def queue_next(self) -> list[Mapping[str, Any]]:
        queue = self._queue
        lines, is_held = self._lines()
        heads = [row for row in lines if row["queue"] == queue and row["in_line"] == waiting.IN_LINE]
        in_service = waiting.in_service()
        queued = sum(row["number"] for row in in_service if row["queue"] == queue and row["status"] == JobStatus.QUEUED)

        def room(run_time: float | None) -> int:
            return window(self._look.workers, run_time) - queued - self._reserved

        may_lift = heads and room(0) > 0
        behind = [name for name in config.queues_behind(queue) if not is_paused(name)] if may_lift else []
        choice = Choice(queue, heads, in_service, lifting.candidates(queue, behind, lines, in_service))
        chosen = choice.take(room)
        moved = queueing.queue_chosen(chosen, queue)
        if is_held and moved and not choice.lacks_room:
            notes.ask_after_end(queue)  # who is queued has left the line, in which a waiting cap has room again
        # Those of lost entries are in the window and not in the list, at which those look who submit.
        are_lost = queued > self._look.length + self._look.workers
        self._left = notes.Left(
            has_backlog=choice.leaves_some or len(moved) < len(chosen) or is_held or are_lost,
            # A pass that takes nobody may not have asked who is behind: their turns would be forgotten.
            turns=choice.turns if chosen else None,
            in_rq=queued + len(moved),
            # Not if it is for places that are reserved: they may have been counted twice, or be given back.
            is_full=choice.leaves_some and choice.lacks_room and room(choice.run_time) + self._reserved <= len(moved),
        )
        return [lifting.in_queue(job, queue) for job in moved]

    def _lines(self) -> tuple[list[dict], bool]:
        """The first jobs of all lines, and whether some of this queue stay held."""
        lines = waiting.heads()
        held = [row for row in lines if row["queue"] == self._queue and row["in_line"] == waiting.HELD]
        if not held:
            return lines, False
        is_held = _let_in(self._queue, held)
        return waiting.heads(), is_held

    def note(self, pipeline: redis.client.Pipeline) -> None:
        """Add to the round trip that pushes the entries what the pass leaves."""
        notes.keep(pipeline, self._queue, self._left)


def _let_in(queue: str, held: list[dict]) -> bool:
    """Let held jobs line up, where the waiting caps have room again; whether some stay held."""
    room = {}
    for name, limits_of in tenancy.limits_of(sorted({head["organization"] for head in held})).items():
        is_capped = limits_of.max_waiting and limits_of.on_queue_full == "Hold"
        room[name] = min(LET_IN, limits.places(name, limits_of.max_waiting) if is_capped else LET_IN)
    return waiting.let_in(queue, held, room)
