"""How many jobs may run and wait at once: by organization, by Job Type, and by both.

Slots are counted from the rows each time, so none can leak. A queue view only needs an estimate. Claims under a cap
count one after another, and are exact.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import frappe
from frappe.query_builder.functions import Count

from ..access.standing import Limits
from ..lib import config, named_locks
from ..lib.config import JobType
from ..lib.row_types import TypeAndOrganization
from ..rq import redis_queue
from ..status import NOT_RUNNING, JobStatus, LinePlace


class SlotsRow(TypeAndOrganization):
    """How many jobs of a type and organization run."""

    number: int


LOCK_WAIT = 5  # seconds; other claimers hold a lock for a few milliseconds
Key = tuple[str | None, str | None]
"""Whose jobs a cap counts: of an organization, of a type, or of both."""


class Slots:
    """The running jobs, and whether one more of an organization and type fits beside them."""

    def __init__(
        self,
        in_service: Iterable[SlotsRow],
        limits: Mapping[str, Limits],
        types: Mapping[str, JobType | None],
    ):
        self._limits, self._types = limits, types
        self._used: Counter[Key] = Counter()
        for row in in_service:
            organization, job_type = row["organization"], row["job_type"]
            for key in ((organization, None), (None, job_type), (organization, job_type)):
                self._used[key] += row["number"]

    def fits(self, organization: str, job_type: str) -> bool:
        """Whether one more may run."""
        caps = caps_of(self._limits[organization], self._types[job_type], organization, job_type)
        return all(self._used[key] < cap for key, cap in caps.items())


def caps_of(limits: Limits, job_type_doc: JobType | None, organization: str, job_type: str) -> dict[Key, int]:
    """The limits in force for a job, by (organization, type). None stands for all."""
    caps: dict[Key, int] = {
        (organization, None): limits.max_running,
        (None, job_type): job_type_doc.max_concurrent if job_type_doc else 0,
        (organization, job_type): job_type_doc.max_concurrent_per_organization if job_type_doc else 0,
    }
    return {key: cap for key, cap in caps.items() if cap}


@contextmanager
def lock_caps(caps: Iterable[Key]) -> Iterator[bool]:
    """Let only this process start jobs under these caps while entered. Yields False if the locks take too long.

    All claimers lock in one order, so no two can wait for each other.
    """
    names = sorted(hashlib.sha1(repr(key).encode(), usedforsecurity=False).hexdigest()[:16] for key in caps)
    with ExitStack() as stack:
        yield all(stack.enter_context(named_locks.named_lock(f"cap:{name}", LOCK_WAIT)) for name in names)


def find_reached(caps: Mapping[Key, int]) -> Key | None:
    """The first of the caps under which no more job fits, as of this transaction's snapshot."""
    return next((key for key, cap in caps.items() if count_running(key) >= cap), None)


def count_running(key: Key) -> int:
    """How many jobs of an organization, a type, or both run as of this transaction's snapshot."""
    organization, job_type = key
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(Count("*")).where(job.status == str(JobStatus.RUNNING))
    if organization:
        query = query.where(job.organization == organization)
    if job_type:
        query = query.where(job.job_type == job_type)
    return query.run()[0][0]


def count_free_places(organization: str, cap: int) -> int:
    """How many more jobs of an organization may line up under its waiting cap."""
    job = frappe.qb.DocType(config.JOB)
    rows = frappe.qb.from_(job).select(job.name).limit(cap)
    # As the index begins.
    rows = rows.where((job.in_line == LinePlace.IN_LINE) & job.queue.isin(redis_queue.queue_names()))
    rows = rows.where(job.organization == organization)
    return max(0, cap - frappe.qb.from_(rows.as_("rows")).select(Count("*")).run()[0][0])


def count_waiting(organization: str, at_most: int) -> int:
    """How many unfinished jobs of an organization are not running. Counts up to `at_most`."""
    job = frappe.qb.DocType(config.JOB)
    states = [str(status) for status in NOT_RUNNING]
    rows = frappe.qb.from_(job).select(job.name).limit(at_most)
    rows = rows.where((job.organization == organization) & job.status.isin(states))
    return frappe.qb.from_(rows.as_("rows")).select(Count("*")).run()[0][0]
