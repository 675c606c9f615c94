"""Which waiting jobs are queued next.

Of each queue only a window of jobs is in RQ at any time; the rest waits in the database, where organizations take turns
and limits hold. A pass asks a handful of questions, each answered from an index, however many jobs wait.

Passes run after commits that left jobs waiting, after settled jobs and in the sweeper; one at a time for a queue of a
site. Who wants one leaves a note first: whoever makes passes right now then makes one more, and nobody has to wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import frappe

from . import circuits, config, dispatch, limits, notes, redis_queue, sql, store, tenancy, waiting
from .fairness import Turns
from .lines import Lines
from .status import JobStatus

SMALLEST_WINDOW = 8
JOBS_PER_WORKER = 4
LET_IN = 500  # held jobs of an organization in one pass
PASSES = 10
"""At most so many in a row: the session may be that of a web request."""
MAINTENANCE, EVERYTHING, QUEUE = "maintenance", "everything", "queue"
MESSAGES = {JobStatus.PENDING: dispatch.MESSAGE}
RETRY_MESSAGE = "Job enqueued for retry"


def window(workers: int) -> int:
    """How many jobs of a queue may be in RQ; by the number of its workers unless a setting says otherwise."""
    return config.settings().queue_window or max(SMALLEST_WINDOW, JOBS_PER_WORKER * workers)


def has_room(look: redis_queue.Look, number: int) -> bool:
    """Whether so many jobs may be queued at once, since nobody awaits a turn."""
    return look.backlog is False and look.length + number <= window(look.workers)


def is_limited(organization: str, limits_of: tenancy.Limits, job_type: Any) -> bool:
    """Whether jobs of this type and organization can't go without asking who else is running."""
    caps = limits.caps_of(limits_of, job_type, "", "")
    return bool(caps or limits_of.is_paused or job_type.is_paused) or circuits.is_noted_open(job_type, organization)


def admit_all() -> int:
    """A pass over each queue that somebody waits for; returns how many jobs were queued."""
    return sum(admit(queue) for queue in waiting.queues())


def after_settle(job: Mapping[str, Any]) -> int:
    """A pass if jobs wait for the queue and its window is half empty or less; returns how many were queued.

    The end of a job under a cap may let others start that wait for other queues.
    """
    queue = job["queue"]
    look = redis_queue.look([queue])[queue]
    queues = set()
    if look.backlog is not False:
        if look.length <= _enough(window(look.workers)):
            queues.add(queue)
        else:  # perhaps with entries of others, whose ends tell us nothing
            notes.forget_full(queue)
    if job["caps"]:
        queues |= notes.backlogged()
    return sum(admit(name) for name in sorted(queues))


def after_line_up(queue: str) -> int:
    """A pass for jobs that have just lined up; returns how many were queued.

    Not if the last pass, a moment ago, has found the window full, and entries are left with which a settle makes no
    pass yet: the jobs behind them will make the next one. So somebody who submits one job after the other behind a long
    line does not ask each time.
    """
    return admit(queue) if notes.ask_for_pass_unless_full(queue) else 0


def _enough(size: int) -> int:
    """With so many entries left in a queue's list, or fewer, a settle makes the next pass."""
    return size // 2


def admit(queue: str) -> int:
    """Queue as many waiting jobs as there is room for; returns how many. Commits."""
    if is_paused(queue):
        return 0
    admitted = 0
    notes.ask_for_pass(queue)
    for _pass in range(PASSES):
        with sql.named_lock(f"admit:{queue}") as is_ours:
            if not is_ours:
                break  # who holds the lock looks for the note when it is released
            if notes.take_request(queue):
                admitted += _admit(queue)
        if not notes.is_requested(queue):
            break
    return admitted


def _admit(queue: str) -> int:
    look = redis_queue.look([queue])[queue]
    sql.commit()  # a snapshot that shows what the pass before this one did
    return dispatch.in_own_transaction(lambda: _queue_next(queue, window(look.workers)))


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


def _queue_next(queue: str, size: int) -> list[Mapping[str, Any]]:
    heads, held = waiting.heads(queue)
    is_held = bool(held) and _let_in(queue, held)
    if held:
        heads = waiting.heads(queue)[0]
    in_service = waiting.in_service()
    queued = sum(row["number"] for row in in_service if row["queue"] == queue and row["status"] == JobStatus.QUEUED)
    choice = Choice(queue, heads, in_service)
    chosen = choice.take(max(0, size - queued))
    moved: list[Mapping[str, Any]] = []
    for status in {job["status"] for job in chosen}:
        of_status = [job for job in chosen if job["status"] == status]
        moved += store.queue_all(of_status, JobStatus(status), MESSAGES.get(JobStatus(status), RETRY_MESSAGE))
    is_full = choice.leaves_some and queued + len(moved) >= size
    notes.keep(queue, choice.leaves_some or is_held, choice.passes, _enough(size) if is_full else None)
    names = {job["name"] for job in moved}
    return [job for job in chosen if job["name"] in names]  # in the order of their turns


def _let_in(queue: str, held: list[dict]) -> bool:
    """Let held jobs line up, where the waiting caps have room again; whether some stay held."""
    room = {}
    for name, limits_of in tenancy.limits_of(sorted({head["organization"] for head in held})).items():
        is_capped = limits_of.max_waiting and limits_of.on_queue_full == "Hold"
        room[name] = min(LET_IN, limits.places(name, limits_of.max_waiting) if is_capped else LET_IN)
    return waiting.let_in(queue, held, room)


class Choice:
    """The next jobs of a queue, by turns of the organizations and within the limits."""

    def __init__(self, queue: str, heads: list[dict], in_service: list[dict]):
        limits_of = tenancy.limits_of(sorted({row["organization"] for row in heads}))
        types = {name: config.job_type(name) for name in {row["job_type"] for row in heads}}
        self._slots = limits.Slots(in_service, limits_of, types)
        self._gates = circuits.Gates(queue, types, in_service)
        self._ranks: dict[str, dict[str, float]] = {}
        self._lines = Lines(queue)
        self._is_limited = False
        for row in heads:
            organization, job_type = row["organization"], row["job_type"]
            may_go = limits_of[organization].may_start and may_start(types[job_type])
            if may_go and self._gates.is_open(organization, job_type):
                self._ranks.setdefault(organization, {})[job_type] = row["rank"]
        weights = {name: limits_of[name].weight for name in self._ranks}
        self._turns = Turns(notes.passes(queue), weights)
        self.leaves_some = bool(self._ranks)
        """Whether somebody is left who could go when a job ends; not those who are held."""

    @property
    def passes(self) -> dict[str, float]:
        """What the organizations have paid for their turns so far."""
        return self._turns.passes

    def take(self, number: int) -> list[dict]:
        """At most `number` jobs, in the order in which they are to be queued."""
        self._read_ahead(number)
        taken: list[dict] = []
        while len(taken) < number and (found := self._next(number - len(taken))):
            taken.append(found)
        self.leaves_some = bool(self._ranks) or self._is_limited
        return taken

    def _read_ahead(self, number: int) -> None:
        """Of those whose turns come first so many jobs as they get if turns are equal, and one: is anything left?"""
        if not self._ranks or not number:
            return
        next_ones = self._turns.first(number, self._ranks, self._first_ranks())
        lines = [(name, min(self._ranks[name], key=self._ranks[name].__getitem__)) for name in next_ones]
        self._lines.read_ahead(lines, -(-number // len(lines)) + 1)

    def _first_ranks(self) -> dict[str, float]:
        return {name: min(types.values()) for name, types in self._ranks.items()}

    def _next(self, most: int) -> dict | None:
        while self._ranks:
            first = self._first_ranks()
            organization = self._turns.next(first, first)
            job = self._first_of(organization, most)
            if job:
                self._turns.took(organization)
                self._slots.take(organization, job["job_type"])
            else:
                self._turns.missed(organization)
            if not self._ranks[organization]:
                del self._ranks[organization]
            if job:
                return job
        return None

    def _first_of(self, organization: str, most: int) -> dict | None:
        """The next job of an organization, of the types of which one more fits."""
        types = self._ranks[organization]
        while types:
            job_type = min(types, key=lambda name: types[name])
            line = organization, job_type
            job = self._lines.first(line, most + 1)
            is_over = bool(job) and not self._slots.fits(organization, job_type)
            if is_over or not job:
                self._is_limited = self._is_limited or is_over
                del types[job_type]
                continue
            self._lines.take(line)
            self._gates.take(organization, job_type)
            behind = self._lines.first(line, most)
            if behind and self._gates.is_open(organization, job_type):
                types[job_type] = behind["admission_rank"]
            else:
                del types[job_type]
            return job
        return None


def may_start(job_type: Any) -> bool:
    """Whether jobs of this Job Type are not paused."""
    return job_type is None or not job_type.is_paused  # of a type that is gone the jobs fail at once, and say why
