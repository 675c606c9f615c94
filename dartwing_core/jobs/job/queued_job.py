"""Locks a job in line, and reads all that an attempt needs of the job, its owner and its organization."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import frappe
from pypika.queries import QueryBuilder
from pypika.terms import Parameter

from ..access import tenancy
from ..access.tenancy import Owner
from ..lib import clock, config, sql
from ..lib.row_types import fields_of
from ..status import JobStatus
from .job_rows import CandidateRow


class QueuedRow(CandidateRow):
    """A job in line, with all that an attempt needs of it."""

    max_retries: int
    crash_count: int
    depends_on: str | None
    parent_batch: str | None
    callback_of: str | None
    is_result_private: int
    reference_doctype: str | None
    reference_name: str | None
    sealed_input_parameters: str | None


FIELDS = fields_of(QueuedRow, "status", "sealed_input_parameters")


@dataclass(slots=True)
class QueuedJob:
    """A Queued job that this transaction has locked."""

    row: QueuedRow
    owner: Owner
    has_children: bool
    """Whether another job depends on it."""


def lock(name: str) -> QueuedJob | None:
    """Lock a Queued job. None if it is not Queued or is locked already.

    Other rows are read as of the transaction's snapshot.
    """
    default = config.settings().default_organization
    standing_names, text = _lock_text(frappe.db.db_type, tenancy.adapter(), clock.site_time().date(), default)
    rows = frappe.db.sql(sql.as_of_now() + text, {"name": name})
    if not rows:
        return None
    own, account, *standing, parameters = rows[0]
    *values, first_child, another_child = json.loads(own)
    found = dict(zip(FIELDS, values, strict=True))
    row = cast(QueuedRow, found | {"status": str(JobStatus.QUEUED), "sealed_input_parameters": parameters})
    is_enabled, language, time_zone = json.loads(account) if account else (0, None, None)
    seen = tenancy.seen_standing(_by_name(standing_names, standing))
    owner = Owner(row["owner_user"], row["organization"], bool(is_enabled), language, time_zone, seen)
    return QueuedJob(row, owner, bool(first_child or another_child))


def _by_name(names: Sequence[tuple[str, ...]], arrays: Sequence[str | None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for some, array in zip(names, arrays, strict=True):
        found |= zip(some, json.loads(array), strict=True) if array else dict.fromkeys(some)
    return found


@lru_cache(maxsize=8)
def _lock_text(_db_type: str, _adapter: Any, _today: Any, _default: str | None) -> tuple[list[tuple[str, ...]], str]:
    """The text of `lock_query`, which takes longer to make than to run. It names this day and default organization."""
    names, query = lock_query(Parameter("%(name)s"))
    return names, query.get_sql()


def lock_query(name: Any) -> tuple[list[tuple[str, ...]], QueryBuilder]:
    """The query of `lock`, and the names in its arrays of the owner's standing.

    Its columns are JSON arrays and the job's parameters: the driver takes longer to read twenty columns than the
    server takes to find the row.
    """
    job, user = frappe.qb.DocType(config.JOB), frappe.qb.DocType("User")
    children = (frappe.qb.DocType(config.JOB).as_("child"), frappe.qb.DocType(config.DEPENDENCY).as_("another"))
    first, another = (frappe.qb.from_(c).select(c.name).where(c.depends_on == job.name).limit(1) for c in children)
    # Not joined: this is a locking read, and must not lock accounts and organizations.
    owner = frappe.qb.from_(user).where(user.name == job.owner_user)
    account = owner.select(sql.array(user.enabled, user.language, user.time_zone))
    standing = tenancy.standing_arrays(job)
    # By name, not in the line's index: there, claimers would lock gaps in which others' jobs end up.
    query = frappe.qb.from_(job).force_index("PRIMARY").for_update(skip_locked=True)
    query = query.select(sql.array(*(job[field] for field in FIELDS), first, another), account)
    query = query.select(*standing.values(), job.sealed_input_parameters)
    return list(standing), query.where((job.name == name) & (job.status == str(JobStatus.QUEUED)))
