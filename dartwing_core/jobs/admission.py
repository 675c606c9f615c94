"""Which waiting jobs are queued next.

Of each queue only a window of jobs is in RQ at any time; the rest waits in the database, where organizations take turns
and limits hold. A pass asks a handful of questions, each answered from an index, however many jobs wait.

Passes run after commits that left jobs waiting, after settled jobs and in the sweeper; one at a time for a queue of a
site. Who finds a pass under way leaves a note, and the pass is made once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import config, dispatch, limits, notes, redis_queue, sql, store, tenancy, waiting
from .fairness import Turns
from .status import JobStatus

SMALLEST_WINDOW = 8
JOBS_PER_WORKER = 4
PASSES = 3
MESSAGES = {JobStatus.PENDING: dispatch.MESSAGE}
RETRY_MESSAGE = "Job enqueued for retry"


def window(workers: int) -> int:
    """How many jobs of a queue may be in RQ; by the number of its workers unless a setting says otherwise."""
    return config.settings().queue_window or max(SMALLEST_WINDOW, JOBS_PER_WORKER * workers)


def has_room(look: redis_queue.Look, number: int) -> bool:
    """Whether so many jobs may be queued at once, since nobody awaits a turn."""
    return not look.has_backlog and look.length + number <= window(look.workers)


def is_limited(organization: tenancy.Limits, job_type: Any) -> bool:
    """Whether jobs of this type and organization can't go without asking who else is running."""
    caps = organization.max_running or job_type.max_concurrent or job_type.max_concurrent_per_organization
    return bool(caps or organization.is_paused or job_type.is_paused)


def admit_all() -> int:
    """A pass over each queue that somebody waits for; returns how many jobs were queued."""
    return sum(admit(queue) for queue in waiting.queues())


def after_settle(queue: str) -> int:
    """A pass if jobs wait for this queue and its window is half empty or less."""
    look = redis_queue.look([queue])[queue]
    if not look.has_backlog or look.length > window(look.workers) // 2:
        return 0
    return admit(queue)


def admit(queue: str) -> int:
    """Queue as many waiting jobs as there is room for; returns how many. Commits."""
    admitted = 0
    for _pass in range(PASSES):
        with sql.named_lock(f"admit:{queue}") as is_ours:
            if not is_ours:
                notes.note_again(queue)
                return admitted
            admitted += _admit(queue)
        if not notes.is_noted_again(queue):
            break
    return admitted


def _admit(queue: str) -> int:
    if is_paused(queue):
        return 0
    look = redis_queue.look([queue])[queue]
    sql.commit()  # a snapshot that shows what the pass before this one did
    return dispatch.in_own_transaction(lambda: _queue_next(queue, window(look.workers)))


def is_paused(queue: str) -> bool:
    """Whether nothing of this queue may start."""
    settings = config.settings()
    return settings.is_paused or queue in settings.paused_queues


def _queue_next(queue: str, size: int) -> list[Mapping[str, Any]]:
    in_service = waiting.in_service()
    queued = sum(row["number"] for row in in_service if row["queue"] == queue and row["status"] == JobStatus.QUEUED)
    choice = Choice(queue, waiting.heads(queue), in_service)
    chosen = choice.take(max(0, size - queued))
    notes.set_backlog(queue, choice.leaves_some)
    moved: list[Mapping[str, Any]] = []
    for status in {job["status"] for job in chosen}:
        of_status = [job for job in chosen if job["status"] == status]
        moved += store.queue_all(of_status, JobStatus(status), MESSAGES.get(JobStatus(status), RETRY_MESSAGE))
    names = {job["name"] for job in moved}
    return [job for job in chosen if job["name"] in names]  # in the order of their turns


class Choice:
    """The next jobs of a queue, by turns of the organizations and within the limits."""

    def __init__(self, queue: str, heads: list[dict], in_service: list[dict]):
        self._queue = queue
        limits_of = tenancy.limits_of(sorted({row["organization"] for row in heads}))
        self._slots = limits.Slots(in_service, AllLimits(limits_of))
        self._ranks: dict[str, dict[str, float]] = {}
        self._lines: dict[tuple[str, str], list[dict]] = {}
        self._is_limited = False
        for row in heads:
            if limits_of[row["organization"]].may_start and type_may_start(row["job_type"]):
                self._ranks.setdefault(row["organization"], {})[row["job_type"]] = row["rank"]
        weights = {name: limits_of[name].weight for name in self._ranks}
        self._turns = Turns(notes.passes(queue), weights)
        self.leaves_some = bool(self._ranks)
        """Whether somebody is left who could go when a job ends; not those who are paused or suspended."""

    def take(self, number: int) -> list[dict]:
        """At most `number` jobs, in the order in which they are to be queued."""
        taken: list[dict] = []
        while len(taken) < number and (found := self._next(number - len(taken))):
            taken.append(found)
        self.leaves_some = bool(self._ranks) or self._is_limited
        notes.keep_passes(self._queue, self._turns.passes)
        return taken

    def _next(self, most: int) -> dict | None:
        while self._ranks:
            first = {name: min(types.values()) for name, types in self._ranks.items()}
            organization = self._turns.next(first, first)
            job = self._first_of(organization, most)
            if job:
                self._turns.took(organization)
                self._slots.take(organization, job["job_type"])
            if not self._ranks[organization]:
                del self._ranks[organization]
            if job:
                return job
        return None

    def _first_of(self, organization: str, most: int) -> dict | None:
        """The next job of an organization, of the types of which one more fits.

        One more than can be taken is read of each line, so that an empty one has no more behind it.
        """
        types = self._ranks[organization]
        while types:
            job_type = min(types, key=lambda name: types[name])
            line = self._line(organization, job_type, most)
            is_over = bool(line) and not self._slots.fits(organization, job_type)
            if is_over or not line:
                self._is_limited = self._is_limited or is_over
                del types[job_type]
                continue
            job = line.pop(0)
            if line:
                types[job_type] = line[0]["admission_rank"]
            else:
                del types[job_type]
            return job
        return None

    def _line(self, organization: str, job_type: str, most: int) -> list[dict]:
        key = organization, job_type
        if key not in self._lines:
            self._lines[key] = waiting.line(self._queue, organization, job_type, most + 1)
        return self._lines[key]


class AllLimits(dict):
    """Limits by organization; none for one that has jobs in service but does not wait here."""

    def __missing__(self, name: str) -> tenancy.Limits:
        return tenancy.Limits()


def type_may_start(name: str) -> bool:
    """Whether jobs of this type are not paused."""
    found = config.job_type(name)
    return found is None or not found.is_paused  # of a type that is gone the jobs fail at once, and say why
