"""SQL on Job Batch, and on jobs as members of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypedDict

import frappe
from frappe.query_builder.functions import Count
from pypika import Case, Order
from pypika.queries import QueryBuilder

from ..access import content
from ..lib import clock, config, sql
from ..lib.rows import Columns, MemberRow, fields_of
from ..lib.sql import update_query
from ..lib.tables import BATCH, JOB
from ..status import LIVE, JobStatus
from . import find


class BatchRow(TypedDict):
    """A batch. A read that names its columns gets only those."""

    name: str
    organization: str
    owner_user: str
    description: str | None
    status: str
    size: int
    created_at: datetime
    completed_at: datetime | None
    cancel_requested: int
    canceled_by: str | None
    on_complete_job: str | None
    on_success_job: str | None
    on_failure_job: str | None


class BatchState(TypedDict):
    """The state that decides whether a running batch is over."""

    name: str
    cancel_requested: int
    is_live: int | None  # whether a member is live
    has_failed: int | None  # whether a member has failed for good or was canceled
    awaits_failure: int  # whether a callback waits for such a failure


RUNNING, COMPLETED, FAILED, CANCELED = STATUSES = ("Running", "Completed", "Failed", "Canceled")
ENDED = STATUSES[1:]
ON_COMPLETE, ON_SUCCESS, ON_FAILURE = CALLBACKS = ("on_complete", "on_success", "on_failure")
PUBLIC_FIELDS = fields_of(BatchRow)


def load(name: str) -> BatchRow | None:
    """The columns of a batch for people."""
    return frappe.db.get_value(config.BATCH, name, list(PUBLIC_FIELDS), as_dict=True)


def update(name: str, values: Columns, status: str | None = None) -> bool:
    """Write columns, with `status` only while the batch has it. Locks the row until the commit either way.

    Waits at most `find.LOCK_WAIT` seconds for the row. The error is then the database's.
    """
    stored = {"modified": clock.site_time(), **content.sealed(values)}
    query = update_query(config.BATCH, stored).where(BATCH.name == name)
    query = query.where(BATCH.status == status) if status else query
    return bool(sql.run_update(query, find.LOCK_WAIT, by_name=True))


def reopen(name: str) -> None:
    """Open a batch again, in the transaction that retries a failed member, and before that retry.

    A process that closes the batch right now has locked the row. It sees the live member, or the batch is opened again
    after it. A cancel that has not come to its end goes on, and also cancels the member. One that has is forgotten.
    """
    request = ("canceled_by", content.column("cancel_reason"))
    kept = {field: Case().when(BATCH.cancel_requested == 1, BATCH[field]) for field in request}
    update(name, {"status": RUNNING, "completed_at": None, **kept})


def lock(name: str) -> bool:
    """Lock a running batch for closing until the commit. False if it is not running or is locked already."""
    query = frappe.qb.from_(BATCH).select(BATCH.name).where((BATCH.name == name) & (BATCH.status == RUNNING))
    return bool(sql.run_locking_read(query.for_update(skip_locked=True)))


def running(after: str, limit: int) -> list[str]:
    """Batches that have not ended, by name and behind the one named `after`."""
    query = frappe.qb.from_(BATCH).select(BATCH.name).where((BATCH.status == RUNNING) & (BATCH.name > after))
    return query.orderby(BATCH.name).limit(limit).run(pluck=True)


def states(names: Sequence[str]) -> list[BatchState]:
    """The states of the running ones of these batches."""
    if not names:
        return []
    awaits_failure = Case().when(BATCH.on_failure.isnotnull() & BATCH.on_failure_job.isnull(), 1).else_(0)
    query = frappe.qb.from_(BATCH).select(BATCH.name, BATCH.cancel_requested)
    query = query.select(awaits_failure.as_("awaits_failure"))
    query = query.select(_a_member(LIVE).as_("is_live"), _a_member(find.BAD_ENDS).as_("has_failed"))
    return query.where(BATCH.name.isin(list(names)) & (BATCH.status == RUNNING)).run(as_dict=True)


def _a_member(statuses: Iterable[str]) -> QueryBuilder:
    member = JOB.as_("member")
    query = frappe.qb.from_(member).select(1).where(member.parent_batch == BATCH.name)
    return query.where(member.status.isin([str(status) for status in statuses])).limit(1)


def counts(name: str) -> dict[str, int]:
    """How many members there are in each status."""
    query = frappe.qb.from_(JOB).select(JOB.status, Count("*")).where(JOB.parent_batch == name)
    return dict(query.groupby(JOB.status).run())


def members(name: str, statuses: Iterable[JobStatus], limit: int, before: str | None = None) -> list[MemberRow]:
    """Members in one of these states, the youngest first. Only those older than the one named `before`."""
    return members_query(name, statuses, limit, before).run(as_dict=True)


def members_query(name: str, statuses: Iterable[JobStatus], limit: int, before: str | None = None) -> QueryBuilder:
    """The query of `members`, whose rows are of MemberRow."""
    query = frappe.qb.from_(JOB).select(*(JOB[field] for field in fields_of(MemberRow)))
    query = query.where((JOB.parent_batch == name) & JOB.status.isin([str(status) for status in statuses]))
    query = query.where(JOB.name < before) if before else query
    return query.orderby(JOB.name, order=Order.desc).limit(limit)
