"""Claims the job whose turn it is: the one place that decides who runs next, at the moment a worker is free."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import cast

import frappe
from pypika.terms import Parameter, PseudoColumn

from ..access import tenancy
from ..access.standing import Standing
from ..job import circuits, events, find, history
from ..job.record import Job
from ..lib import clock, connection, sql
from ..lib.config import JobType
from ..lib.rows import JobRow
from ..lib.tables import DEPENDENCY, JOB
from ..status import JobStatus
from . import limits, queue_view
from .turns import Choice, Line, Turns

MARGIN = 30.0
"""Seconds that a process keeps before its forced end, for what follows a job."""
MOST_WORKERS = 20
"""Workers that a process assumes at most: RQ counts killed ones for a while."""
TRIES = 3
"""Views that are read before a process gives up: others may have claimed the jobs in line while it read."""
MOST_LOCKED = 100
"""Locked jobs after which a line is left for now. A transaction that cancels thousands must not hold up a claim."""
FIELDS = (
    *("name", "job_type", "organization", "owner_user", "attempt", "retry_count", "max_retries", "crash_count"),
    *("queue", "priority", "timeout_seconds", "depends_on", "parent_batch", "callback_of", "is_result_private"),
    *("reference_doctype", "reference_name"),
)
"""The columns that an attempt needs, beside its parameters."""


@dataclass(slots=True)
class ClaimedJob:
    """A job that this process has locked, and then made Running. Its owner is as they were then."""

    row: JobRow
    has_children: bool
    """Whether another job depended on it then."""
    is_owner_enabled: bool
    language: str | None
    time_zone: str | None
    seen: Standing | None
    """The owner's standing in the organization. None if the tenancy adapter has no column for it."""
    job_type: JobType | None = None
    """None if the type is gone."""
    is_probe: bool = False
    """Whether this attempt is the probe of its circuit."""

    @property
    def name(self) -> str:
        """The name of the job."""
        return self.row["name"]

    @property
    def attempt(self) -> int:
        """The number of the attempt, from 1."""
        return self.row["attempt"]

    @property
    def is_alone(self) -> bool:
        """Whether its type asks for a process of its own."""
        return bool(self.job_type and self.job_type.own_process)

    def standing(self) -> Standing:
        """The owner's standing in the organization: as read at the claim, else now."""
        if self.seen is None:
            organization = self.row["organization"]
            found = tenancy.standing(self.row["owner_user"], organization)
            is_same = found.organization in ("", organization)  # an adapter may take the id for a name of another
            self.seen = found if is_same else Standing(None, None)
        return self.seen


def worker_name() -> str:
    """The name of this process for people: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Claimer:
    """Claims one job after another for a process.

    `queues`: those it may claim from, all by default. `ends_at`: when the process is ended by force, as
    `time.monotonic()`. No job is claimed whose time limit lies behind that. `entry_id`: RQ's id of the entry under
    which it runs, None outside of workers. `workers`: how many claim from these queues.
    """

    def __init__(
        self,
        queues: Collection[str] | None = None,
        ends_at: float = float("inf"),
        entry_id: str | None = None,
        workers: int = 1,
    ):
        self._entry_id = entry_id
        self._queues, self._workers = queues, min(workers, MOST_WORKERS)
        self._ends_at = ends_at
        self._turns = Turns(queues)
        self.view = queue_view.QueueView(Choice((), {}, {}), {}, {}, good_until=0, workers=1)
        """The jobs in line as this process has read them. Others may have claimed some of them since."""
        self.is_first = True
        """Whether nothing was claimed yet. A type that asks for a process of its own gets it only then."""
        self.needs_entry: JobRow | None = None
        """A job whose turn it is, but that this process can't run. It needs an entry of its own."""
        self.found_nobody = False
        """Whether the last look for a job found none, and this process frees no slot of a cap."""
        self._had_caps = False

    def claim_next(self) -> ClaimedJob | None:
        """Claim the next job and make it Running. None if there is none. Commits, by SQL alone."""
        taken = connection.retried(self._claim)
        self.found_nobody = taken is None and not self.needs_entry and not self._had_caps
        return taken

    def claim_named(self, name: str, attempt: int) -> ClaimedJob | None:
        """Claim this job, if it may start now and this attempt is its next. For callers outside of a worker."""
        return connection.retried(partial(self._claim_named, name, attempt))

    def claim_with_settle(self, log: list[history.Event]) -> ClaimedJob | None:
        """Claim the next job in the transaction of a settle, which commits. Adds the events of its history to `log`.

        None if the process has to read the line anew, or a claim has to count running jobs: both take a fresh snapshot.
        """
        if time.monotonic() >= self.view.good_until:
            return None
        return self._claim_in_order(log, in_settle=True)

    def renew_view(self, seconds: float) -> None:
        """Read the line anew, between two jobs, if the view runs out within so many seconds. Commits."""
        if time.monotonic() + seconds >= self.view.good_until:
            sql.commit()  # a fresh snapshot
            self._read_view()
            sql.commit()

    def _read_view(self) -> None:
        found = queue_view.read_view(self._queues, self._turns, self._workers)
        found.take_over(self.view)
        self.view = found

    def _claim(self) -> ClaimedJob | None:
        for _try in range(TRIES):
            sql.commit()  # a fresh snapshot
            is_known = time.monotonic() < self.view.good_until
            if not is_known:
                self._read_view()
            is_empty = not is_known and not self.view.choice.lines
            taken = self.claim_from_view()
            if taken or self.needs_entry or is_empty:
                return taken
            self.view.good_until = 0
        return None  # others hold the jobs that are there; the next sweep wakes workers for them

    def _claim_named(self, name: str, attempt: int) -> ClaimedJob | None:
        sql.commit()
        job = find.load(name, "status", "attempt", "admission_rank", *queue_view.LINE)
        if not job or job["status"] != JobStatus.QUEUED or job["attempt"] != attempt - 1:
            return None  # a stale or doubled message: the row is the truth
        only = Line(job["queue"], job["organization"], job["job_type"], job["priority"], job["admission_rank"])
        self.view = queue_view.read_view_of_job(only, queue_view.Place(name, only.rank))
        return self.claim_from_view()

    def claim_from_view(self) -> ClaimedJob | None:
        """Claim the next job of the view as it is, without reading it anew. Commits, by SQL alone."""
        log: list[history.Event] = []
        job = self._claim_in_order(log)
        if job or self.needs_entry:  # that one is locked, and another worker is to get it
            history.write(log)
            sql.commit()  # no callbacks: if one raised, nobody would run the attempt
        return job

    def _claim_in_order(self, log: list[history.Event], *, in_settle: bool = False) -> ClaimedJob | None:
        while line := self.view.choice.next():
            if not self.view.is_strict(line):
                taken = self._claim_first_of(line, log, clock.site_time())
            elif in_settle:
                return None
            else:
                taken = self._claim_under_caps(line, log)
            if taken or self.needs_entry:
                return taken
        return None

    def _claim_under_caps(self, line: Line, log: list[history.Event]) -> ClaimedJob | None:
        """Claim under caps: one claim after another, each counting what the one before has committed."""
        caps, at = self.view.caps(line), clock.site_time()  # before a circuit that opens later
        with limits.lock_caps(caps) as are_ours:
            sql.commit()  # a snapshot of what runs now
            key = next(iter(caps), None)
            if are_ours and caps:
                key = limits.find_reached(caps, limits.count_running())
            if key:
                self.view.choice.drop_capped(key)
                return None
            guarded = [line.job_type] if circuits.has_breaker(self.view.types[line.job_type]) else []
            circuit = next(iter(circuits.of_types(guarded, [line.organization]).values()), None)
            if circuit is not None and circuit.stops_jobs:
                self.view.choice.drop(line)
                return None
            taken = self._claim_first_of(line, log, at, circuit)
            history.write(log)
            log.clear()
            sql.commit()
        return taken

    def _claim_first_of(
        self, line: Line, log: list[history.Event], at: datetime, circuit: circuits.Circuit | None = None
    ) -> ClaimedJob | None:
        """Claim the first job of a line that nobody holds. None if there is none, or another line is first by now.

        `circuit`: the one whose probe it has to be.
        """
        choice, tries = self.view.choice, 0
        while (candidate := self.view.first_place(line)) and tries < MOST_LOCKED:
            if not choice.is_next(line, candidate.rank):
                return None
            job = _lock(candidate.name)
            self.view.skip(line, is_ours=job is not None)
            if job:
                return self._start(line, job, log, at, circuit)
            tries += 1
        choice.drop(line)
        return None

    def _start(
        self, line: Line, job: ClaimedJob, log: list[history.Event], at: datetime, circuit: circuits.Circuit | None
    ) -> ClaimedJob | None:
        started, job.job_type, job.is_probe = Job(job.row), self.view.types[line.job_type], circuit is not None
        is_too_long = time.monotonic() + job.row["timeout_seconds"] + MARGIN > self._ends_at
        if is_too_long or (job.is_alone and not self.is_first):
            self.needs_entry = job.row
            return None
        if circuit is not None and not circuits.claim_probe(circuit, job.row["name"], job.row["attempt"] + 1):
            self.view.choice.drop(line)
            return None
        started.start(self._entry_id, at, worker_name(), log)
        job.row = started.row
        self.is_first = False
        self._had_caps = self._had_caps or bool(self.view.caps(line))
        start = self.view.choice.passes[line.organization]
        price = self.view.choice.charge_turn(line)
        # With the start's own commit: later, it would bring back a pass that others have gone by.
        events.add_to_pipeline(lambda pipeline: self._turns.record_turn(pipeline, line.organization, start, price))
        return job


# The lock ------------------------------------------------------------------------------------------------------------


def _lock(name: str) -> ClaimedJob | None:
    """Lock a Queued job. None if it is not Queued or is locked already.

    Other rows are read as of the transaction's snapshot.
    """
    standing_column, values_of_column = tenancy.standing_of_owner()
    rows = frappe.db.sql(sql.as_of_now() + _lock_text(standing_column), {"name": name, **values_of_column})
    if not rows:
        return None
    own, account, standing, parameters = rows[0]
    *values, first_child, another_child = json.loads(own)
    found = dict(zip(FIELDS, values, strict=True))
    row = cast(JobRow, found | {"status": str(JobStatus.QUEUED), "sealed_input_parameters": parameters})
    is_enabled, language, time_zone = json.loads(account) if account else (0, None, None)
    seen = tenancy.seen_standing(standing)
    return ClaimedJob(row, bool(first_child or another_child), bool(is_enabled), language, time_zone, seen)


@lru_cache
def _lock_text(standing_column: str) -> str:
    """The statement of `_lock`. Kept, since it takes longer to make than to run.

    Its columns are JSON arrays and the job's parameters: the driver takes longer to read twenty columns than the server
    to find the row.
    """
    user, children = frappe.qb.DocType("User"), (JOB.as_("child"), DEPENDENCY.as_("another"))
    first, another = (frappe.qb.from_(c).select(c.name).where(c.depends_on == JOB.name).limit(1) for c in children)
    # Not joined: this is a locking read, and must not lock accounts and organizations.
    owner = frappe.qb.from_(user).where(user.name == JOB.owner_user)
    account = owner.select(sql.array(user.enabled, user.language, user.time_zone))
    # By name, not in the line's index: there, claimers would lock gaps in which others' jobs end up.
    query = frappe.qb.from_(JOB).force_index("PRIMARY").for_update(skip_locked=True)
    query = query.select(sql.array(*(JOB[field] for field in FIELDS), first, another), account)
    query = query.select(PseudoColumn(standing_column), JOB.sealed_input_parameters)
    query = query.where((JOB.name == Parameter("%(name)s")) & (JOB.status == str(JobStatus.QUEUED)))
    return query.get_sql()
