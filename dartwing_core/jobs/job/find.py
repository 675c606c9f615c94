"""Reads and locks of jobs for the engine: one by name, those that wait, run or are to be moved.

Each read of many goes along an index and stops at a limit (`tests/site/crowded`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import frappe
from pypika import Order
from pypika.functions import Coalesce, NullIf
from pypika.queries import QueryBuilder
from pypika.terms import Criterion

from ..access import content
from ..lib import config, sql
from ..lib.rows import ChildRow, DoubtfulRow, JobRow, WaitingRow, fields_of
from ..lib.tables import DEPENDENCY, JOB, RUN
from ..status import ENDED_BADLY, LIVE, WAITING, JobStatus, LinePlace

LOCK_WAIT = 2
"""Seconds to wait for a row that another transaction has locked, in operations: that may be a web request."""
RUN_ANYWAY = "run"
"""`on_parent_failure` of a job that runs however its parents end."""
MINDS_FAILURE = Coalesce(JOB.on_parent_failure, "") != RUN_ANYWAY
BAD_ENDS = tuple(str(status) for status in ENDED_BADLY)
OVERTIME = 60
"""Seconds after its time limit at which an attempt is ended by force. RQ's parent kills a work-horse as late."""
WAITING_FIELDS = fields_of(WaitingRow)
Child = TypeVar("Child", bound=WaitingRow)
_OUTSIDE = f"FROM `tab{config.JOB}` WHERE in_line = {LinePlace.OUTSIDE:d}"
_FIRST_DUE = ", ".join(
    f"(SELECT due_epoch {_OUTSIDE} AND status = '{status}' AND waits_for IS NULL ORDER BY due_epoch LIMIT 1)"
    for status in WAITING
)
_FIRST_LOST = f"""(SELECT MIN(LEAST(
        COALESCE(NULLIF(run.lease_expires_epoch, 0), job.started_epoch + %(lease)s),
        IF(run.cancel_requested = 1, run.cancel_requested_epoch + %(grace)s, 1e18),
        job.started_epoch + job.timeout_seconds + {OVERTIME:d}
    )) FROM `tab{config.JOB}` job LEFT JOIN `tab{config.RUN}` run
    ON run.background_job = job.name AND run.attempt = job.attempt WHERE job.status = 'Running')"""
_OUTLOOK = f"""SELECT
    (SELECT 1 FROM `tab{config.JOB}` WHERE in_line > {LinePlace.OUTSIDE:d} LIMIT 1),
    (SELECT 1 FROM `tab{config.BATCH}` WHERE status = 'Running' LIMIT 1),
    (SELECT 1 {_OUTSIDE} AND status = 'Pending' AND waits_for > '' LIMIT 1),
    {_FIRST_LOST} - UNIX_TIMESTAMP(SYSDATE(6)) + %(now)s,
    {_FIRST_DUE},
    (SELECT look_at_epoch FROM `tab{config.SCHEDULE}` WHERE enabled = 1 ORDER BY look_at_epoch LIMIT 1)
"""


def load(name: str, *fields: str) -> JobRow | None:
    """The job's fields, opened. Without `fields` all but the sealed ones. Raises SealError."""
    row = load_sealed(name, *fields)
    return content.opened(row) if row else None


def load_sealed(name: str, *fields: str, is_now: bool = False) -> JobRow | None:
    """The columns of these fields as stored, for who opens them. "*" for all, without `fields` all but the sealed ones.

    `is_now`: as committed right now, without this transaction's writes.
    """
    # Not by `get_value`: on Frappe 15 it parses names for longer than the query takes.
    query = frappe.qb.from_(JOB).select(*(content.columns(fields) or light_fields())).where(JOB.name == name)
    rows: list[Any] = sql.rows_outside_transaction(query) if is_now else query.run(as_dict=True)
    return rows[0] if rows else None


def light_fields() -> list[str]:
    """All columns of Background Job but the sealed ones, which may be large."""
    fields = frappe.get_meta(config.JOB).get_valid_columns()  # on Frappe 15 also fields without a column
    return [field for field in fields if content.column(field) == field and not field.startswith(content.PREFIX)]


def outlook(now: float, lease: int, grace: float) -> tuple[float, bool]:
    """In how many seconds work is due: infinity for never. Issues one statement.

    And whether there may be work without a due time: jobs in line or that wait for others, batches that are not over.
    `lease`: seconds that an attempt has from its start. `grace`: those that it has to end after a cancel.
    """
    values = {"now": now, "lease": lease, "grace": grace}
    in_line, batch, child, *due = frappe.db.sql(_OUTLOOK, values)[0]
    epoch = min((float(epoch) for epoch in due if epoch is not None), default=float("inf"))
    return epoch - now, bool(in_line or batch or child)


def due(status: JobStatus, epoch: float, limit: int) -> list[str]:
    """Due jobs of one waiting state that wait for no other job, the longest due first."""
    query = frappe.qb.from_(JOB).select(JOB.name)
    # By seconds: `available_at`, for people, is in the site's time zone, which may change.
    query = query.where(_is_outside(status) & JOB.waits_for.isnull() & (JOB.due_epoch <= epoch))
    return query.orderby(JOB.due_epoch).limit(limit).run(pluck=True)


def children(parent: str, limit: int) -> list[ChildRow]:
    """Jobs that wait for `parent`, the longest due first."""
    query = frappe.qb.from_(JOB).select(*(JOB[field] for field in WAITING_FIELDS), _next_parent(parent))
    query = query.where(_is_outside(JobStatus.PENDING) & (JOB.waits_for == parent))
    return query.orderby(JOB.due_epoch).limit(limit).run(as_dict=True)


def _next_parent(parent: str) -> QueryBuilder:
    """The next parent behind `parent` that is not over. A child passes each parent once, the youngest first."""
    other = JOB.as_("other")
    has_failed = other.name.isnull() | other.status.isin(BAD_ENDS)
    is_awaited = other.status.isin([str(status) for status in LIVE]) | (MINDS_FAILURE & has_failed)
    query = frappe.qb.from_(DEPENDENCY).left_join(other).on(other.name == DEPENDENCY.depends_on)
    query = query.select(DEPENDENCY.depends_on).where(DEPENDENCY.background_job == JOB.name)
    query = query.where((DEPENDENCY.depends_on < parent) & is_awaited)
    return query.orderby(DEPENDENCY.depends_on, order=Order.desc).limit(1).as_("next_parent")


def other_children(parents: Sequence[str], limit: int) -> list[ChildRow]:
    """Jobs that would end with one of these too, but wait for another one at the moment."""
    query = frappe.qb.from_(DEPENDENCY).join(JOB).on(JOB.name == DEPENDENCY.background_job)
    query = query.select(*(JOB[field] for field in WAITING_FIELDS), DEPENDENCY.depends_on.as_("parent"))
    query = query.where(DEPENDENCY.depends_on.isin(list(parents)) & (JOB.status == str(JobStatus.PENDING)))
    query = query.where(JOB.waits_for.isnotnull() & (JOB.waits_for != DEPENDENCY.depends_on))
    return query.where(MINDS_FAILURE).limit(limit).run(as_dict=True)


def awaited(names: Sequence[str]) -> set[str]:
    """The jobs on which a waiting one depends."""
    waits = JOB.waits_for.isnotnull() & (JOB.status == str(JobStatus.PENDING))
    direct = frappe.qb.from_(JOB).select(JOB.waits_for).where((JOB.in_line == LinePlace.OUTSIDE) & waits)
    direct = direct.where(JOB.waits_for.isin(list(names)))
    several = frappe.qb.from_(DEPENDENCY).join(JOB).on(JOB.name == DEPENDENCY.background_job)
    several = several.select(DEPENDENCY.depends_on).where(waits & DEPENDENCY.depends_on.isin(list(names)))
    return set(direct.union(several).run(pluck=True))


def statuses(names: Sequence[str]) -> dict[str, str]:
    """The status of each of these jobs that exists."""
    return dict(frappe.qb.from_(JOB).select(JOB.name, JOB.status).where(JOB.name.isin(list(names))).run())


def parents(after: str, limit: int) -> list[str]:
    """The jobs for which others wait, by name and behind the one named `after`."""
    query = frappe.qb.from_(JOB).select(JOB.waits_for).groupby(JOB.waits_for)
    query = query.where(_is_outside(JobStatus.PENDING) & (JOB.waits_for > after))
    return query.orderby(JOB.waits_for).limit(limit).run(pluck=True)


def doubtful(limit: int) -> list[DoubtfulRow]:
    """Running attempts without a lease (or without one yet), asked to stop, or long after their time limit."""
    of_request = ("cancel_requested", "cancel_requested_epoch", "canceled_by", "cancel_reason")
    of_run = ("lease_expires_epoch", "worker", *of_request)
    of_job = fields_of(DoubtfulRow, *of_run, "connection_id", "database_epoch")
    query = (
        frappe.qb.from_(JOB)
        .left_join(RUN)
        .on((RUN.background_job == JOB.name) & (RUN.attempt == JOB.attempt))
        .select(*(JOB[field] for field in of_job), *(RUN[field] for field in content.columns(of_run)))
        .select(Coalesce(NullIf(RUN.connection_id, 0), JOB.connection_id).as_("connection_id"))
        .select(sql.database_epoch().as_("database_epoch"))
        .where(JOB.status == str(JobStatus.RUNNING))
        .where(
            (Coalesce(RUN.lease_expires_epoch, 0) < sql.database_epoch())
            | (RUN.cancel_requested == 1)
            | (JOB.started_epoch + JOB.timeout_seconds + OVERTIME < sql.database_epoch())
        )
        .orderby(JOB.started_at)
        .limit(limit)
    )
    return [content.shown(row) for row in query.run(as_dict=True)]


def lost(names: Sequence[str], settings: config.Settings) -> list[str]:
    """Those of these Running jobs whose lease is over."""
    if not names:
        return []
    has_run = (RUN.background_job == JOB.name) & (RUN.attempt == JOB.attempt)
    lease_end = Coalesce(NullIf(RUN.lease_expires_epoch, 0), JOB.started_epoch + settings.lease_seconds)
    query = frappe.qb.from_(JOB).left_join(RUN).on(has_run).select(JOB.name).where(JOB.name.isin([*names]))
    query = query.where((JOB.status == str(JobStatus.RUNNING)) & (lease_end < sql.database_epoch()))
    return query.run(pluck=True)


def _is_outside(status: JobStatus) -> Criterion:
    """In this state, and without a place in line: the begin of an index."""
    return (JOB.in_line == LinePlace.OUTSIDE) & (JOB.status == str(status))


def to_be_stopped(field: str, value: str) -> list[str]:
    """Running jobs with this value in a column, whose attempt was not asked to stop."""
    query = frappe.qb.from_(JOB).left_join(RUN).on((RUN.background_job == JOB.name) & (RUN.attempt == JOB.attempt))
    query = query.where((JOB[field] == value) & (JOB.status == str(JobStatus.RUNNING)))
    return query.where(RUN.name.isnull() | (RUN.cancel_requested == 0)).select(JOB.name).run(pluck=True)


def of_organization(organization: str, status: JobStatus, limit: int) -> list[WaitingRow]:
    """Jobs of an organization in this state."""
    query = frappe.qb.from_(JOB).select(*(JOB[field] for field in WAITING_FIELDS))
    query = query.where((JOB.organization == organization) & (JOB.status == str(status)))
    return query.limit(limit).run(as_dict=True)


# Locks of jobs that are about to be moved -----------------------------------------------------------------------------


def is_current(name: str, attempt: int, lock_wait: int) -> bool:
    """Whether this attempt is still the running one. Locks the row until the transaction ends."""
    query = frappe.qb.from_(JOB).select(JOB.status, JOB.attempt).where(JOB.name == name)
    found = sql.run_locking_read(query.for_update(), lock_wait=lock_wait)
    return bool(found) and found[0] == (str(JobStatus.RUNNING), attempt)


def lock_waiting(
    names: Sequence[str], waited_for: str | None, place: LinePlace = LinePlace.OUTSIDE
) -> list[WaitingRow]:
    """Lock the jobs that still wait for `waited_for`, until the commit. Skips locked jobs."""
    is_waiting = (JOB.in_line == place) & JOB.status.isin([str(status) for status in WAITING])
    is_waiting &= JOB.waits_for == waited_for if waited_for else JOB.waits_for.isnull()
    found: dict[str, WaitingRow] = {row["name"]: row for row in _lock(names, is_waiting, WAITING_FIELDS)}
    return [found[name] for name in names if name in found]


def lock_unchanged(jobs: Sequence[Child]) -> list[Child]:
    """Lock the jobs that are as the caller saw them, until the commit. Skips locked jobs."""
    is_same = JOB.status == jobs[0]["status"]
    locked = _lock([row["name"] for row in jobs], is_same, ("name", "attempt", "waits_for"))
    free = {row["name"]: (row["attempt"], row["waits_for"]) for row in locked}
    return [row for row in jobs if free.get(row["name"]) == (row["attempt"], row.get("waits_for"))]


def _lock(names: Sequence[str], condition: Any, fields: Sequence[str]) -> list[Any]:
    """Lock those of these jobs that meet a condition, without a wait, and by name. Returns their columns."""
    if not names:
        return []
    query = frappe.qb.from_(JOB).force_index("PRIMARY").select(*(JOB[field] for field in fields))
    query = query.where(JOB.name.isin([*names]) & condition)
    return cast(list[Any], sql.run_locking_read(query.for_update(skip_locked=True), as_dict=True))
