"""Deletes finished jobs after some time, with their history, files and comments.

Frappe's Log Settings decide after how many days, Job Engine Settings for dead letters, which people may still retry.
Walks the jobs from the oldest on, in committed batches. A run that breaks off goes on the next day.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import frappe
from pypika.terms import ExistsCriterion

from ..job import batch_store, circuits, dependencies, job_files
from ..lib import clock, config, sql, tables
from ..status import FINISHED, LIVE, JobStatus

BATCH = 500
MAX_SECONDS = 1_200.0
"""A run ends after this time. Frappe's workers give the clean-up of all logs 25 minutes."""
REFERENCES = {
    "Comment": ("reference_doctype", "reference_name"),
    "Communication": ("reference_doctype", "reference_name"),
    "ToDo": ("reference_type", "reference_name"),
    "File": ("attached_to_doctype", "attached_to_name"),
    "Tag Link": ("document_type", "document_name"),
    "Version": ("ref_doctype", "docname"),
    "Document Follow": ("ref_doctype", "ref_docname"),
}
"""The fields by which rows of these DocTypes refer to a document."""
DELETABLE = """
    SELECT job.name, job.status FROM `tabBackground Job` job FORCE INDEX (PRIMARY)
    WHERE job.name IN %(names)s
        AND (job.status IN %(ended)s AND job.modified < %(ended_before)s
            OR job.status = 'Dead Letter' AND job.modified < %(dead_before)s)
        AND job.dedup_until_epoch <= %(now)s
        AND NOT EXISTS (SELECT 1 FROM `tabJob Batch` batch
            WHERE batch.name = job.parent_batch AND batch.status = 'Running')
        AND NOT EXISTS (SELECT 1 FROM `tabBackground Job` child
            WHERE child.depends_on = job.name AND child.status IN %(live)s)
        AND NOT EXISTS (SELECT 1 FROM `tabBackground Job Dependency` dependency
            JOIN `tabBackground Job` child ON child.name = dependency.background_job
            WHERE dependency.depends_on = job.name AND child.status IN %(live)s)
    FOR UPDATE SKIP LOCKED"""
"""Locks the jobs that may be deleted. Skips locked ones, such as one that is being retried."""


def clear_old_jobs(days: int) -> int:
    """Delete jobs that were completed or canceled more than `days` ago. Dead letters stay for the days of Job Engine
    Settings, but at least as long.

    Keeps jobs on which an unfinished one depends, members of a running batch, and those whose deduplication window
    lasts. Deletes batches that ended as long ago and have no job left, circuits closed as long ago, and files of
    missing jobs. Returns how many jobs were deleted. Commits. Raises ValueError if `days` is not positive.
    """
    if days <= 0:
        raise ValueError("days must be positive")
    now, deadline = clock.site_time(), time.monotonic() + MAX_SECONDS
    ended_before = now - timedelta(days=days)
    values = {
        "ended": tuple(str(status) for status in FINISHED - {JobStatus.DEAD_LETTER}),
        "live": tuple(str(status) for status in LIVE),
        "ended_before": ended_before,
        "dead_before": now - timedelta(days=max(days, config.settings().dead_letter_days)),
        "now": clock.now_epoch(),
    }
    after, deleted = (datetime.min, ""), 0
    while time.monotonic() < deadline and (page := _old_jobs(after, ended_before)):
        after = page[-1]
        names = tuple(name for _creation, name in page)
        deleted += committed(partial(_delete_old, {**values, "names": names}))
    while time.monotonic() < deadline and committed(partial(_delete_batches, ended_before)) == BATCH:
        pass
    closed = {"status": circuits.CLOSED, "closed_at": ("<", ended_before)}
    committed(partial(frappe.db.delete, config.CIRCUIT, closed))
    sql.best_effort(partial(job_files.delete_orphans, deadline))
    return deleted


def committed(delete: Callable[[], int]) -> int:
    """Delete rows, and commit. Returns how many; 0 if another session keeps one locked: the next run tries again."""
    with sql.short_lock_waits():
        return sql.best_effort(partial(sql.committed, delete)) or 0


def _old_jobs(after: tuple[datetime, str], before: datetime) -> Sequence[tuple[datetime, str]]:
    """Creation and name of the next jobs that are old enough to have ended before this moment."""
    text = """
        SELECT creation, name FROM `tabBackground Job` FORCE INDEX (creation)
        WHERE creation < %(before)s AND creation >= %(creation)s AND (creation > %(creation)s OR name > %(name)s)
        ORDER BY creation, name LIMIT %(limit)s"""
    creation, name = after
    values = {"before": before, "creation": creation, "name": name, "limit": BATCH}
    return frappe.db.sql(text, values)


def _delete_old(values: Mapping[str, Any]) -> int:
    rows = frappe.db.sql(sql.as_of_now() + DELETABLE, values)
    if rows:
        delete_jobs(dict(rows))
    return len(rows)


def delete_jobs(jobs: Mapping[str, str]) -> None:
    """Delete jobs, given by name and status, with all that belongs to them. The caller has locked them."""
    found = list(jobs)
    delete_documents(config.JOB, found, status=[str(status) for status in FINISHED])
    dependencies.forget([name for name, status in jobs.items() if status == JobStatus.COMPLETED])
    delete_history(found)
    job_files.delete_after_commit(found)


def delete_history(jobs: Sequence[str]) -> None:
    """Delete attempts, history and dependencies of these jobs."""
    for doctype in (config.LOG, config.RUN, config.DEPENDENCY):
        sql.delete_rows(doctype, "background_job", jobs)


def delete_documents(doctype: str, names: Sequence[str], **having: Sequence[str]) -> None:
    """Delete documents that the caller has checked, by SQL, or by Frappe's function if it has rows about them.

    `having`: only those with one of these values in a column.
    """
    about: set[str] = set()
    for referring, (kind, name) in REFERENCES.items() if names else ():
        filters = {kind: doctype, name: ("in", names)}
        about.update(frappe.get_all(referring, filters, pluck=name, distinct=True, order_by=name))
    for name in sorted(about):
        options = {"ignore_permissions": True, "ignore_on_trash": True, "delete_permanently": True}
        frappe.delete_doc(doctype, name, force=True, **options)
    sql.delete_named(doctype, names, **having)


def _delete_batches(ended_before: datetime) -> int:
    """Delete batches that ended before this moment and have no job left."""
    batch, member = tables.BATCH, tables.JOB.as_("member")
    members = frappe.qb.from_(member).select(1).where(member.parent_batch == batch.name)
    query = frappe.qb.from_(batch).select(batch.name).where(batch.status.isin(batch_store.ENDED))
    query = query.where((batch.completed_at < ended_before) & ~ExistsCriterion(members)).limit(BATCH)
    names = query.run(pluck=True)
    delete_documents(config.BATCH, names, status=batch_store.ENDED)
    return len(names)
