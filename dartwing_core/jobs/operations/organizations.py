"""What people do with all jobs of an organization."""

from __future__ import annotations

import time
from functools import partial

import frappe
from frappe import _
from frappe.utils import create_batch
from pypika import Order
from pypika.terms import Criterion

from .. import engine
from ..access import visibility
from ..after import cancel, follow_up
from ..after.after_commit import after_commit, undone_on_error
from ..job import find, record
from ..lib import config, sql
from ..lib.rows import WaitingRow
from ..lib.tables import JOB
from ..line import queue_view
from ..read import visible_jobs
from ..status import LIVE, NOT_RUNNING, JobStatus
from ..submit import submission
from ..sweep import retention

AT_ONCE = 500
SECONDS = 10.0
"""Seconds for which waiting jobs of a deleted organization are ended, about. Others fail in their turn."""
NOT_FOUND = "Organization not found"


def cancel_all_jobs(organization: str, only_waiting: bool = False, reason: str | None = None) -> dict[str, int]:
    """Cancel the unfinished jobs of an organization that the user may see: `{canceled, stopping, left}`, their numbers.

    `canceled`: those that waited, also for a retry. `stopping`: those that run, and were asked to stop. `only_waiting`
    leaves these alone. `left`: unfinished jobs beyond 10,000 waiting and 500 running ones, and those that another
    transaction is just changing. Raises JobBusyError if it keeps a running one for too long; then none is canceled.
    """
    asked = submission.required_text(organization, "organization")
    visible = visibility.viewer().visible(JOB, asked) & visibility.NOT_OF_ENGINE  # apps still hear of what has ended
    states = [str(status) for status in (NOT_RUNNING if only_waiting else LIVE)]
    with undone_on_error():
        canceled = _cancel_waiting(visible, reason)
        rest = frappe.qb.from_(JOB).select(JOB.name, JOB.status).where(visible & JOB.status.isin(states))
        rest = rest.orderby(JOB.status == str(JobStatus.RUNNING), order=Order.desc)  # first those to be stopped
        now = sql.rows_outside_transaction(rest.limit(2 * engine.BULK_LIMIT))  # does not see what is canceled here
        left = {row["name"]: row["status"] for row in now if row["name"] not in canceled}
        running = [name for name, status in left.items() if status == JobStatus.RUNNING]
        known = visible_jobs.visible_names(running[: engine.MAX_JOBS])  # others are younger than this transaction
        answer = engine.cancel_jobs(known, reason)
    stopping, ended = len(answer["done"]), len(answer["refused"])
    return {"canceled": len(canceled), "stopping": stopping, "left": len(left) - stopping - ended}


def _cancel_waiting(visible: Criterion, reason: str | None) -> set[str]:
    """Cancel waiting jobs, the youngest first and those in line last: workers take the oldest. Returns their names."""
    columns = [JOB[field] for field in find.WAITING_FIELDS]
    query = frappe.qb.from_(JOB).select(*columns).where(visible & JOB.status.isin([str(one) for one in NOT_RUNNING]))
    query = query.orderby(JOB.name, order=Order.desc).limit(engine.BULK_LIMIT)
    found: list[WaitingRow] = query.run(as_dict=True)
    canceled: list[WaitingRow] = []
    for status in sorted(NOT_RUNNING, key=JobStatus.QUEUED.__eq__):
        for some in create_batch([job for job in found if job["status"] == status], AT_ONCE):
            canceled += record.cancel_all(some, frappe.session.user, reason)
    following = after_commit()
    for some in create_batch(canceled, AT_ONCE):
        names, batches = [job["name"] for job in some], [job["parent_batch"] for job in some]
        following.actions.append(partial(follow_up.release_and_close, names, batches))
    if canceled:
        following.add_once(queue_view.admit_held)
        # Claims may have given up a line whose first jobs were locked here.
        following.add_once(queue_view.ring_for_line)
    return {job["name"] for job in canceled}


# A deleted organization -----------------------------------------------------------------------------------------------


def dismiss_members(organization: str) -> None:
    """Delete all memberships of an organization."""
    _delete_all("Org Member", organization)
    visibility.forget()


def end_work(organization: str) -> None:
    """End the work of an organization that the caller's transaction deletes.

    Schedules go at once, and batches, so that no callback follows. After the commit, running jobs are asked to stop and
    waiting ones fail. A job that this misses fails in its turn. Retention deletes them all, in time.
    """
    for doctype in (config.SCHEDULE, config.BATCH, config.CIRCUIT):
        _delete_all(doctype, organization)
    after_commit().actions.append(partial(_end_jobs, organization, frappe.session.user))


def _end_jobs(organization: str, user: str) -> None:
    """Ask running jobs to stop, and end waiting ones as an attempt would. Commits."""
    sql.commit()  # a fresh snapshot
    for job in find.to_be_stopped("organization", organization):
        sql.best_effort(partial(cancel.cancel_now, job, user, _("The organization was deleted.")))
    deadline = time.monotonic() + SECONDS
    for status in sorted(NOT_RUNNING, key=JobStatus.QUEUED.__eq__):
        step, ended = partial(_end_waiting, organization, status, user), 1
        while ended and time.monotonic() < deadline:
            ended = sql.best_effort(partial(sql.committed, step)) or 0


def _end_waiting(organization: str, status: JobStatus, user: str) -> int:
    jobs = find.of_organization(organization, status, AT_ONCE)
    return len(record.end_all(jobs, JobStatus.DEAD_LETTER, NOT_FOUND, user))


def _delete_all(doctype: str, organization: str) -> None:
    retention.delete_documents(doctype, sorted(sql.names_of(doctype, "organization", [organization])))
