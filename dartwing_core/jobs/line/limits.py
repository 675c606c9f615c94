"""Caps on the jobs that run at once, by organization, Job Type, and both; and on those that wait.

Slots are counted from the rows each time, so none can leak. A queue view only needs an estimate. Claims under a cap
count one after another, and are exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import frappe
from frappe.query_builder.functions import Count

from ..access.standing import Limits
from ..lib import sql
from ..lib.config import JobType
from ..lib.tables import JOB
from ..rq import redis_queue
from ..status import JobStatus, LinePlace

LOCK_WAIT = 5  # seconds; other claimers hold a lock for a few milliseconds
Key = tuple[str | None, str | None]
"""Whose jobs a cap counts: of an organization, of a type, or of both."""


def caps_of(
    limits: Mapping[str, Limits], types: Mapping[str, JobType | None], organization: str, job_type: str
) -> dict[Key, int]:
    """The caps in force for a job, by (organization, type). None stands for all."""
    caps: dict[Key, int] = {(organization, None): limits[organization].max_running}
    if found := types[job_type]:
        caps[None, job_type] = found.max_concurrent
        caps[organization, job_type] = found.max_concurrent_per_organization
    return {key: cap for key, cap in caps.items() if cap}


@contextmanager
def lock_caps(caps: Iterable[Key]) -> Iterator[bool]:
    """Let only this process start jobs under these caps while entered. Yields False if the locks take too long.

    All claimers lock in one order, so no two can wait for each other.
    """
    names = sorted(f"cap:{key}" for key in caps)
    with ExitStack() as stack:
        yield all(stack.enter_context(sql.named_lock(name, LOCK_WAIT)) for name in names)


def count_running() -> Counter[Key]:
    """How many jobs run as of this transaction's snapshot, by whose jobs a cap may count."""
    query = frappe.qb.from_(JOB).select(JOB.organization, JOB.job_type, Count("*"))
    query = query.where(JOB.status == str(JobStatus.RUNNING)).groupby(JOB.organization, JOB.job_type)
    running: Counter[Key] = Counter()
    for organization, job_type, number in query.run():
        for key in ((organization, None), (None, job_type), (organization, job_type)):
            running[key] += number
    return running


def find_reached(caps: Mapping[Key, int], running: Mapping[Key, int]) -> Key | None:
    """The first of the caps under which no more job fits beside those that run."""
    return next((key for key, cap in caps.items() if running[key] >= cap), None)


def count_free_places(organization: str, cap: int, *taken_by: LinePlace) -> int:
    """How many more jobs of an organization may line up under its waiting cap, beside those at these places.

    A job that waits for its time, a retry or another job takes none. Once due, it gets in line beyond the cap.
    """
    # As the index begins.
    is_waiting = JOB.in_line.isin(taken_by) & JOB.queue.isin(redis_queue.queue_names())
    return max(0, cap - sql.count(JOB, is_waiting & (JOB.organization == organization), cap))
