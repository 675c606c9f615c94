"""A job on its way from the line to an attempt: locked, then claimed, with all that is known of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import frappe
from pypika.terms import Parameter, PseudoColumn

from ..access import tenancy
from ..access.standing import Standing
from ..job.job_rows import JobRow
from ..lib import config, sql
from ..lib.config import JobType
from ..status import JobStatus

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


def lock(name: str) -> ClaimedJob | None:
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
    """The statement of `lock`. Kept, since it takes longer to make than to run.

    Its columns are JSON arrays and the job's parameters: the driver takes longer to read twenty columns than the server
    to find the row.
    """
    job, user = frappe.qb.DocType(config.JOB), frappe.qb.DocType("User")
    children = (frappe.qb.DocType(config.JOB).as_("child"), frappe.qb.DocType(config.DEPENDENCY).as_("another"))
    first, another = (frappe.qb.from_(c).select(c.name).where(c.depends_on == job.name).limit(1) for c in children)
    # Not joined: this is a locking read, and must not lock accounts and organizations.
    owner = frappe.qb.from_(user).where(user.name == job.owner_user)
    account = owner.select(sql.array(user.enabled, user.language, user.time_zone))
    # By name, not in the line's index: there, claimers would lock gaps in which others' jobs end up.
    query = frappe.qb.from_(job).force_index("PRIMARY").for_update(skip_locked=True)
    query = query.select(sql.array(*(job[field] for field in FIELDS), first, another), account)
    query = query.select(PseudoColumn(standing_column), job.sealed_input_parameters)
    query = query.where((job.name == Parameter("%(name)s")) & (job.status == str(JobStatus.QUEUED)))
    return query.get_sql()
