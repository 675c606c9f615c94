"""The jobs on which a job depends: one by `depends_on` of its row, several by rows of Background Job Dependency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import frappe
from frappe.utils import create_batch
from pypika.functions import Coalesce, Max

from ..access import content, visibility
from ..lib import canonical, clock, config, ids, sql
from ..lib.rows import JobRow
from ..lib.sql import standard_columns
from ..lib.tables import DEPENDENCY, JOB
from ..status import LIVE, JobStatus, LinePlace
from . import find, record

INSERT_ROWS = 5_000
POINT_ROWS = 500


def insert(pairs: Sequence[tuple[str, str]], owner: str) -> None:
    """Insert the parents (second) of jobs (first) that have several."""
    now = clock.site_time()
    for some in create_batch(pairs, INSERT_ROWS):
        rows = [
            {**standard_columns(ids.time_ordered_id(), owner, now), "background_job": job, "depends_on": parent}
            for job, parent in some
        ]
        sql.insert_rows(config.DEPENDENCY, rows)


def parents_of(name: str, depends_on: str | None) -> list[str]:
    """The ids of the jobs on which a job depends. `depends_on`: of its row."""
    if not depends_on:
        return []
    query = frappe.qb.from_(DEPENDENCY).select(DEPENDENCY.depends_on).where(DEPENDENCY.background_job == name)
    return query.orderby(DEPENDENCY.depends_on).run(pluck=True) or [depends_on]


def awaited_by(parent: str, status: str) -> str | None:
    """A job that still needs the row of a parent that is over, with this status. None if there is none.

    A job may read a completed parent's result until it has finished itself.
    """
    if status == JobStatus.COMPLETED:
        needs_it = JOB.status.isin([str(live) for live in LIVE])
    else:
        needs_it = JOB.waits_for.isnotnull() & (JOB.status == str(JobStatus.PENDING))
    only = frappe.qb.from_(JOB).select(JOB.name).where(needs_it & (JOB.depends_on == parent))
    several = frappe.qb.from_(DEPENDENCY).join(JOB).on(JOB.name == DEPENDENCY.background_job).select(JOB.name)
    several = several.where(needs_it & (DEPENDENCY.depends_on == parent))
    return next((name for query in (only, several) for name in query.limit(1).run(pluck=True)), None)


def forget(parents: Sequence[str]) -> None:
    """Drop dependencies on completed jobs before their rows are deleted: missing parents count as failed."""
    if not parents:
        return
    sql.delete_rows(config.DEPENDENCY, "depends_on", parents)
    # The jobs that ended while they waited for one of these, and the parent for which a retry of them waits next.
    following = frappe.qb.from_(DEPENDENCY).select(Max(DEPENDENCY.depends_on))
    following = following.where((DEPENDENCY.background_job == JOB.name) & (DEPENDENCY.depends_on < JOB.waits_for))
    query = frappe.qb.from_(JOB).select(JOB.name, following.as_("following"))
    query = query.where((JOB.in_line == LinePlace.OUTSIDE) & (JOB.status == str(JobStatus.DEAD_LETTER)))
    for some in create_batch(query.where(JOB.waits_for.isin(list(parents))).run(), POINT_ROWS):
        record.set_parents(dict(some), [JobStatus.DEAD_LETTER])


class Results(dict[str, Any]):
    """Results of a job's parents by their ids. A parent's key, if it has one, finds its result too."""

    def __init__(self, results: Mapping[str, Any], ids_by_key: Mapping[str, str]):
        super().__init__(results)
        self.ids_by_key = dict(ids_by_key)

    def __missing__(self, key: str) -> Any:
        return self[self.ids_by_key[key]]

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self.ids_by_key

    def get(self, key: str, default: Any = None) -> Any:
        """The result of the parent with this id or key. `dict.get` itself would ignore keys."""
        return super().get(key, super().get(self.ids_by_key.get(key, ""), default))


def results(job: JobRow) -> Results:
    """The results of a job's completed parents, as far as its owner may see them. Reads all of them."""
    if not job["depends_on"]:
        return Results({}, {})
    viewer = visibility.viewer(job["owner_user"])
    child = JOB.as_("child")
    # From the child to each parent: for an OR of both kinds the server reads all jobs.
    query = frappe.qb.from_(child).left_join(DEPENDENCY).on(DEPENDENCY.background_job == child.name)
    query = query.join(JOB).on(JOB.name == Coalesce(DEPENDENCY.depends_on, child.depends_on))
    fields = ("name", "job_key", "sealed_result", *visibility.DECIDING_FIELDS)
    query = query.select(*(JOB[field] for field in fields)).where(child.name == job["name"])
    query = query.where(JOB.status == str(JobStatus.COMPLETED)).where(viewer.can_see_condition())
    rows = [content.opened(row) for row in query.orderby(JOB.name).run(as_dict=True) if viewer.can_see_result(row)]
    keys = {row["job_key"]: row["name"] for row in rows if row["job_key"]}
    return Results({row["name"]: canonical.load(row["result"]) for row in rows}, keys)


CANCEL, DEAD_LETTER = "cancel", "dead_letter"

POLICIES = (CANCEL, DEAD_LETTER, find.RUN_ANYWAY)
"""`on_parent_failure`: the fate of a job whose parent is canceled, fails for good or is deleted."""
