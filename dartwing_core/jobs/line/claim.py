"""Claims the job whose turn it is: the one place that decides who runs next, at the moment a worker is free."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from typing import cast

import frappe

from ..access import tenancy
from ..access.standing import Standing
from ..job import circuits, events, find, history
from ..job.record import Job
from ..lib import clock, config, connection, sql
from ..lib.config import JobType, Settings
from ..lib.rows import JobRow
from ..rq import doorbells
from ..status import JobStatus, LinePlace
from . import limits, queue_view
from .turns import Line, Place, Turns

MARGIN = 30.0
"""Seconds that a process keeps before its forced end, for what follows a job."""
MOST_WORKERS = 20
"""Workers that a process assumes at most: RQ counts killed ones for a while."""
TRIES = 3
"""Views that are read before a process gives up: others may have claimed the jobs in line while it read."""
Owner = Sequence[str | None]
"""Account and standing of a job's owner, as JSON."""
FIELDS = (
    *("name", "job_type", "organization", "owner_user", "attempt", "retry_count", "max_retries", "crash_count"),
    *("queue", "priority", "timeout_seconds", "depends_on", "parent_batch", "callback_of", "is_result_private"),
    *("reference_doctype", "reference_name", "unfound_since_epoch"),
)
"""The columns that an attempt needs, beside its parameters."""


@dataclass(slots=True)
class ClaimedJob:
    """A job that this process has locked, and then made Running. Its owner is as they were then."""

    row: JobRow
    is_owner_enabled: bool
    language: str | None
    time_zone: str | None
    seen: Standing | None
    """The owner's standing in the organization. None if the tenancy adapter has no column for it."""
    job_type: JobType | None = None
    """None if the type is gone."""
    settings: Settings = field(default_factory=Settings)
    is_probe: bool = False
    """Whether this attempt is the probe of its circuit."""
    start: history.Event | None = None
    """The event of its start, until it is written. A settle writes it with that of its own job."""

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
    return f"{_host()}:{os.getpid()}"


_host = cache(socket.gethostname)


class Claimer:
    """Claims one job after another for a process.

    `queues`: those it may claim from, all by default. `ends_at`: when the process is ended by force, as
    `time.monotonic()`. No job is claimed whose time limit lies behind that. `entry`: that under which the process runs,
    with its queues. None outside of workers.
    """

    def __init__(
        self, queues: Collection[str] | None = None, ends_at: float = float("inf"), entry: doorbells.Entry | None = None
    ):
        self._own_queues, self._entry = queues, entry
        self._ends_at = ends_at
        self.view = queue_view.empty_view()
        """The jobs in line as this process has read them. Others may have claimed some of them since."""
        self.is_first = True
        """Whether nothing was claimed yet. A type that asks for a process of its own gets it only then."""
        self.needs_entry: JobRow | None = None
        """A job whose turn it is, but that this process can't run. It needs an entry of its own."""
        self.found_nobody = False
        """Whether the last look for a job found none, and this process frees no slot of a cap."""
        self._had_caps = False
        self._owners: dict[str, dict[str, Owner]] = {}
        self._owners_until = 0.0

    def _recent_owners(self) -> dict[str, dict[str, Owner]]:
        """Owners of jobs, as read within the time for which a view is good."""
        if time.monotonic() > self._owners_until:
            self._owners, self._owners_until = {}, time.monotonic() + queue_view.LONGEST
        return self._owners

    def claim_next(self) -> ClaimedJob | None:
        """Claim the next job and make it Running. None if there is none. Commits, by SQL alone."""
        taken = connection.retried(self._claim)
        self.found_nobody = taken is None and not self.needs_entry and not self._had_caps
        return taken

    def start_next(self) -> ClaimedJob | None:
        """Make the next job Running in the transaction of a settle, which writes the event of its start, and commits.

        None if the process has to read the line anew, or a claim has to count running jobs: both take a fresh snapshot.
        """
        if time.monotonic() >= self.view.good_until:
            return None
        return self._claim_in_order(in_settle=True)

    def renew_view(self, seconds: float) -> None:
        """Read the line anew, between two jobs, if the view runs out within so many seconds. Commits."""
        if time.monotonic() + seconds >= self.view.good_until:
            sql.commit()  # a fresh snapshot
            self._read_view()
            sql.commit()

    @property
    def _queues(self) -> Collection[str] | None:
        return self._entry.queues if self._entry else self._own_queues

    def _read_view(self) -> None:
        workers = min(self._entry.workers, MOST_WORKERS) if self._entry else 1
        found = queue_view.read_view(self._queues, Turns(self._queues), workers)
        found.order.follow(self.view.order)
        self.view = found

    def _claim(self) -> ClaimedJob | None:
        for _try in range(TRIES):
            sql.commit()  # a fresh snapshot
            is_known = time.monotonic() < self.view.good_until
            if not is_known:
                self._read_view()
            is_empty = not is_known and not self.view.order.lines
            taken = self.claim_from_view()
            if taken or self.needs_entry or is_empty:
                return taken
            self.view.good_until = 0
        return None  # others hold the jobs that are there; the next sweep wakes workers for them

    def claim_from_view(self) -> ClaimedJob | None:
        """Claim the next job of the view as it is, without reading it anew. Commits, by SQL alone."""
        job = self._claim_in_order()
        if job or self.needs_entry:  # that one is locked, and another worker is to get it
            _commit_start(job)
        return job

    def _claim_in_order(self, *, in_settle: bool = False) -> ClaimedJob | None:
        while line := self.view.order.next():
            if not self.view.is_strict(line):
                taken = self._claim_first_of(line, clock.site_time())
            elif in_settle:
                return None
            else:
                taken = self._claim_under_caps(line)
            if taken or self.needs_entry:
                return taken
        return None

    def _claim_under_caps(self, line: Line) -> ClaimedJob | None:
        """Claim under caps: one claim after another, each counting what the one before has committed."""
        caps, at = self.view.caps(line), clock.site_time()  # before a circuit that opens later
        with limits.lock_caps(caps) as are_ours:
            sql.commit()  # a snapshot of what runs now
            key = next(iter(caps), None)
            if are_ours and caps:
                key = limits.find_reached(caps, limits.count_running())
            if key:
                self.view.order.drop_capped(key)
                return None
            guarded = [line.job_type] if config.has_breaker(self.view.types[line.job_type]) else []
            circuit = next(iter(circuits.of_types(guarded, [line.organization]).values()), None)
            if circuit is not None and circuit.stops_jobs:
                self.view.order.drop(line)
                return None
            taken = self._claim_first_of(line, at, circuit)
            _commit_start(taken)
        return taken

    def _claim_first_of(self, line: Line, at: datetime, circuit: circuits.Circuit | None = None) -> ClaimedJob | None:
        """Claim the first job of a line that nobody holds. None if there is none, or another line is first by now.

        `circuit`: the one whose probe it has to be.
        """
        order = self.view.order
        while name := order.first_job(line):
            job = _lock(name, line.organization, self._recent_owners())
            if job:
                job.job_type, job.settings = self.view.types[line.job_type], self.view.settings
                return self._start(line, job, at, circuit)
            order.pass_by(line)
        return None

    def _start(self, line: Line, job: ClaimedJob, at: datetime, circuit: circuits.Circuit | None) -> ClaimedJob | None:
        order, job.is_probe = self.view.order, circuit is not None
        if not self._fits(job):
            self.needs_entry = job.row
            return None
        if circuit is not None and not circuits.claim_probe(circuit, job.row["name"], job.row["attempt"] + 1):
            order.drop(line)
            return None
        self._had_caps = self._had_caps or bool(self.view.caps(line))
        start = order.passes[line.organization]
        price = order.take(line)
        if not self._make_running(job, at):
            return None
        # After the start's commit, with all that the process has to tell (`events.Outbox`).
        turns = Turns(self._queues)
        events.add_to_pipeline(lambda pipeline: turns.record_turn(pipeline, line.organization, start, price))
        return job

    def _fits(self, job: ClaimedJob) -> bool:
        """Whether this process can run the job."""
        is_too_long = time.monotonic() + job.row["timeout_seconds"] + MARGIN > self._ends_at
        return not is_too_long and (self.is_first or not job.is_alone)

    def _make_running(self, job: ClaimedJob, at: datetime) -> bool:
        started = Job(job.row)
        job.start = started.start(self._entry.id if self._entry else None, at, worker_name())
        job.row = started.row
        self.is_first = self.is_first and not job.start
        return bool(job.start)

    # One job by its name ---------------------------------------------------------------------------------------------

    def claim_lone(self, name: str, attempt: int) -> ClaimedJob | None:
        """Claim this job by its lock alone, which takes one statement. None if the line has to decide. Commits.

        That is so if another job is in line, or if a pause, a cap or a circuit may stop this one.
        """
        return connection.retried(partial(self._claim_by_lock, name, attempt, is_lone=True))

    def claim_named(self, name: str, attempt: int) -> ClaimedJob | None:
        """Claim this job, if it may start now and this attempt is its next. For callers outside of a worker."""
        return connection.retried(partial(self._claim_named, name, attempt))

    def _claim_named(self, name: str, attempt: int) -> ClaimedJob | None:
        if job := self._claim_by_lock(name, attempt, is_lone=False):
            return job
        found = find.load(name, "status", "attempt", "admission_rank", *queue_view.LINE)
        if not found or found["status"] != JobStatus.QUEUED or found["attempt"] != attempt - 1:
            return None  # a stale or doubled message: the row is the truth
        line = Line(
            found["queue"], found["organization"], found["job_type"], found["priority"], found["admission_rank"]
        )
        self.view = queue_view.read_view_of_job(line, Place(name, line.rank))
        return self.claim_from_view()

    def _claim_by_lock(self, name: str, attempt: int, *, is_lone: bool) -> ClaimedJob | None:
        if frappe.db._conn:  # else the connection is about to be opened
            sql.commit()  # a fresh snapshot
        job, has_others = _lock_lone(name, attempt)
        has_started = False
        if job and not (is_lone and has_others) and self._may_start_unseen(job):
            has_started = self._make_running(job, clock.site_time())
        _commit_start(job)  # or release its lock
        return job if has_started else None

    def _may_start_unseen(self, job: ClaimedJob) -> bool:
        """Whether nothing may stop this job that a look at the line, at circuits or at running jobs would find."""
        kind, limits_of = job.job_type, job.seen.limits if job.seen else None
        if not kind or kind.is_paused or kind.max_concurrent or kind.max_concurrent_per_organization:
            return False
        if not limits_of or not limits_of.may_start or limits_of.max_running or config.has_breaker(kind):
            return False
        is_served = not self._queues or job.row["queue"] in self._queues
        return is_served and not job.settings.pause_of(job.row["queue"]) and self._fits(job)


def _commit_start(job: ClaimedJob | None) -> None:
    """Commit a claim with the event of its start. No callbacks: if one raised, nobody would run the attempt."""
    if job and job.start:
        history.write([job.start])
        job.start = None
    sql.commit()


# The lock ------------------------------------------------------------------------------------------------------------


_JOB = f"`tab{config.JOB}`"
_OWN = f"JSON_ARRAY({', '.join(FIELDS)}), sealed_input_parameters"
"""A JSON array: the driver takes longer to read twenty columns than the server to find the row."""
_ACCOUNT = f"""(
    SELECT JSON_ARRAY(user.enabled, user.language, user.time_zone) FROM tabUser user
    WHERE user.name = {_JOB}.owner_user)"""
# By name, and not in the line's index: there, claimers would lock gaps in which others' jobs end up.
_QUEUED = f"FROM {_JOB} FORCE INDEX (PRIMARY) WHERE name = %(name)s AND status = 'Queued'"
_LOCK = f"SELECT {_OWN} {_QUEUED} FOR UPDATE SKIP LOCKED"
_LOCK_WITH_OWNER = f"SELECT {_OWN}, {_ACCOUNT}, %%s {_QUEUED} FOR UPDATE SKIP LOCKED"
_OWNER_OF = f"SELECT {_ACCOUNT}, %%s FROM {_JOB} WHERE name = %(name)s"
# Accounts, organizations and types are not joined: this is a locking read, and must not lock them.
_LOCK_LONE = f"""
    SELECT {_OWN}, {_ACCOUNT}, %%s,
        (SELECT {config.CLAIMED_TYPE} FROM `tab{config.JOB_TYPE}` type WHERE type.name = {_JOB}.job_type),
        {config.SAVED_SETTINGS},
        (SELECT 1 FROM {_JOB} other WHERE other.in_line >= {LinePlace.IN_LINE:d} AND other.name <> %(name)s LIMIT 1)
    {_QUEUED} AND attempt = %(attempt)s FOR UPDATE SKIP LOCKED"""


def _lock(name: str, organization: str, owners: dict[str, dict[str, Owner]]) -> ClaimedJob | None:
    """Lock a Queued job. None if it is not Queued or is locked already.

    Other rows are read as of the transaction's snapshot. `owners`: those that were read a moment ago, by organization
    and user. A lock that does not read the owner takes half as long.
    """
    standing, values = tenancy.standing_of_owner()
    values |= {"name": name}
    text = _LOCK if organization in owners else _LOCK_WITH_OWNER
    rows = frappe.db.sql(sql.as_of_now() + text.replace("%%s", standing), values)
    if not rows:
        return None
    own, parameters, *owner = rows[0]
    row, known = _row(own, parameters), owners.setdefault(organization, {})
    if row["owner_user"] not in known:
        known[row["owner_user"]] = owner or frappe.db.sql(_OWNER_OF.replace("%%s", standing), values)[0]
    return _claimed(row, *known[row["owner_user"]])


def _lock_lone(name: str, attempt: int) -> tuple[ClaimedJob | None, bool]:
    """Lock a job for this attempt, with its Job Type and the settings. Also tells whether another job is in line."""
    standing, values = tenancy.standing_of_owner()
    values |= {"name": name, "attempt": attempt - 1}
    rows = frappe.db.sql(sql.as_of_now() + _LOCK_LONE.replace("%%s", standing), values)
    if not rows:
        return None, False
    own, parameters, *owner, job_type, settings, other = rows[0]
    job = _claimed(_row(own, parameters), *owner)
    job.job_type = config.opened_type(job_type) if job_type else None
    job.settings = config.opened_settings(settings)
    return job, bool(other)


def _row(own: str, parameters: str) -> JobRow:
    found = dict(zip(FIELDS, json.loads(own), strict=True))
    return cast(JobRow, found | {"status": str(JobStatus.QUEUED), "sealed_input_parameters": parameters})


def _claimed(row: JobRow, account: str | None, standing: str | None) -> ClaimedJob:
    is_enabled, language, time_zone = json.loads(account) if account else (0, None, None)
    return ClaimedJob(row, bool(is_enabled), language, time_zone, tenancy.seen_standing(standing))
