"""The jobs on which a job depends: one by `depends_on` of its row, several by rows of Background Job Dependency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import frappe
from pypika.functions import Coalesce, Max

from ..access import content, visibility
from ..lib import canonical, clock, config, dml, ids
from ..lib.dml import in_pieces, standard_columns
from ..status import LIVE, JobStatus, LinePlace
from . import find, record
from .job_rows import JobRow

INSERT_ROWS = 5_000
POINT_ROWS = 500


def insert(pairs: Sequence[tuple[str, str]], owner: str) -> None:
    """Insert the parents (second) of jobs (first) that have several."""
    now = clock.site_time()
    for some in in_pieces(pairs, INSERT_ROWS):
        rows = [
            {**standard_columns(ids.time_ordered_id(), owner, now), "background_job": job, "depends_on": parent}
            for job, parent in some
        ]
        dml.insert_rows(config.DEPENDENCY, rows)


def parents_of(name: str, depends_on: str | None) -> list[str]:
    """The ids of the jobs on which a job depends. `depends_on`: of its row."""
    if not depends_on:
        return []
    dependency = frappe.qb.DocType(config.DEPENDENCY)
    query = frappe.qb.from_(dependency).select(dependency.depends_on).where(dependency.background_job == name)
    return query.orderby(dependency.depends_on).run(pluck=True) or [depends_on]


def awaited_by(parent: str, status: str) -> str | None:
    """A job that still needs the row of a parent that is over, with this status. None if there is none.

    A job may read a completed parent's result until it has finished itself.
    """
    job, dependency = frappe.qb.DocType(config.JOB), frappe.qb.DocType(config.DEPENDENCY)
    if status == JobStatus.COMPLETED:
        needs_it = job.status.isin([str(live) for live in LIVE])
    else:
        needs_it = job.waits_for.isnotnull() & (job.status == str(JobStatus.PENDING))
    only = frappe.qb.from_(job).select(job.name).where(needs_it & (job.depends_on == parent))
    several = frappe.qb.from_(dependency).join(job).on(job.name == dependency.background_job).select(job.name)
    several = several.where(needs_it & (dependency.depends_on == parent))
    return next((name for query in (only, several) for name in query.limit(1).run(pluck=True)), None)


def forget(parents: Sequence[str]) -> None:
    """Drop dependencies on completed jobs before their rows are deleted: missing parents count as failed."""
    if not parents:
        return
    dml.delete_rows(config.DEPENDENCY, "depends_on", parents)
    # The jobs that ended while they waited for one of these, and the parent for which a retry of them waits next.
    job, dependency = frappe.qb.DocType(config.JOB), frappe.qb.DocType(config.DEPENDENCY)
    following = frappe.qb.from_(dependency).select(Max(dependency.depends_on))
    following = following.where((dependency.background_job == job.name) & (dependency.depends_on < job.waits_for))
    query = frappe.qb.from_(job).select(job.name, following.as_("following"))
    query = query.where((job.in_line == LinePlace.OUTSIDE) & (job.status == str(JobStatus.DEAD_LETTER)))
    for some in in_pieces(query.where(job.waits_for.isin(list(parents))).run(), POINT_ROWS):
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
    child, dependency = frappe.qb.DocType(config.JOB).as_("child"), frappe.qb.DocType(config.DEPENDENCY)
    parent = frappe.qb.DocType(config.JOB)
    # From the child to each parent: for an OR of both kinds the server reads all jobs.
    query = frappe.qb.from_(child).left_join(dependency).on(dependency.background_job == child.name)
    query = query.join(parent).on(parent.name == Coalesce(dependency.depends_on, child.depends_on))
    fields = ("name", "job_key", "sealed_result", *visibility.DECIDING_FIELDS)
    query = query.select(*(parent[field] for field in fields)).where(child.name == job["name"])
    query = query.where(parent.status == str(JobStatus.COMPLETED)).where(viewer.can_see_condition(parent))
    rows = [content.opened(row) for row in query.orderby(parent.name).run(as_dict=True) if viewer.can_see_result(row)]
    keys = {row["job_key"]: row["name"] for row in rows if row["job_key"]}
    return Results({row["name"]: canonical.load(row["result"]) for row in rows}, keys)


CANCEL, DEAD_LETTER = "cancel", "dead_letter"

POLICIES = (CANCEL, DEAD_LETTER, find.RUN_ANYWAY)
"""`on_parent_failure`: the fate of a job whose parent is canceled, fails for good or is deleted."""
