"""Ends and removes all that belongs to a deleted organization, in committed steps.

A row of Organization Removal keeps the task, so that the next sweep goes on where one broke off. Waiting jobs end at
once, as jobs of a missing organization. Running ones are asked to stop, and forced to after the grace period. All jobs
are deleted a minute later: until then people see why their jobs have ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import frappe
from frappe import _

from ..access import visibility
from ..after import cancel
from ..after.after_commit import after_commit
from ..job import find, record
from ..lib import best_effort, clock, config, dml, sql
from ..lib.dml import standard_columns
from ..lib.tables import BATCH
from ..status import FINISHED, NOT_RUNNING, JobStatus
from . import retention

RUNNING, COMPLETED = "Running", "Completed"
AT_ONCE = 500
SECONDS = 2.0
"""Seconds that a sweep spends on one removal, about."""
SHOWN_FOR = 60
"""Seconds from the deletion until jobs are removed."""
LATE = 3_600
"""Seconds in which a transaction that began before the deletion may still submit a job."""
MESSAGE = "Organization not found"


def begin(organization: str, name: str) -> None:
    """Begin to remove all that belongs to an organization, which the caller's transaction has deleted.

    Deletes at once what could make new jobs: schedules, and the memberships of users who could submit.
    """
    _forget(organization)
    user, now = frappe.session.user, clock.site_time()
    row = standard_columns(organization, user, now) | {"organization_name": name, "status": RUNNING}
    row |= {"removed_jobs": 0, "requested_epoch": clock.now_epoch()}
    dml.delete_rows(config.REMOVAL, "name", [organization])  # code may have used the id before
    dml.insert_rows(config.REMOVAL, [row])
    after_commit().add_once(partial(go_on, organization))


def sweep() -> int:
    """Go on with all removals. Returns how many jobs were removed. Commits. Issues one statement if there are none."""
    names = frappe.get_all(config.REMOVAL, {"status": RUNNING}, pluck="name", order_by="creation asc")
    return sum(best_effort.run(partial(go_on, name)) or 0 for name in names)


def go_on(organization: str) -> int:
    """Take the next steps of a removal. Returns how many jobs were removed. Commits."""
    sql.commit()  # a fresh snapshot
    fields = ["requested_epoch", "owner", "status"]
    request = frappe.db.get_value(config.REMOVAL, organization, fields, as_dict=True)
    if not request or request.status != RUNNING:
        return 0
    deadline, age = time.monotonic() + SECONDS, clock.now_epoch() - request.requested_epoch
    _repeat(partial(_delete_batches, organization), deadline)
    for status in NOT_RUNNING:
        _repeat(partial(_end_waiting, organization, status, request.owner), deadline)
    for job in find.to_be_stopped("organization", organization):
        best_effort.run(partial(cancel.cancel_now, job, request.owner, _("The organization was deleted.")))
    removed = _repeat(partial(_delete_jobs, organization), deadline) if age >= SHOWN_FOR else 0
    if age >= LATE:
        sql.committed(partial(_complete, organization))
    return removed


def _repeat(step: Callable[[], int], deadline: float) -> int:
    """Repeat a step, and commit, until it finds less than AT_ONCE or the time is up. Returns the sum."""
    total, number = 0, AT_ONCE
    while number == AT_ONCE and time.monotonic() < deadline:
        number = retention.committed(step)
        total += number
    return total


def _delete_batches(organization: str) -> int:
    """Delete batches, before their jobs end: otherwise their callbacks would be made."""
    query = frappe.qb.from_(BATCH).select(BATCH.name).where(BATCH.organization == organization).limit(AT_ONCE)
    names = query.run(pluck=True)
    retention.delete_documents(config.BATCH, names)
    return len(names)


def _end_waiting(organization: str, status: JobStatus, user: str) -> int:
    """End waiting jobs, as an attempt ends jobs of a missing organization."""
    jobs = find.of_organization(organization, [status], AT_ONCE)
    return len(record.end_all(jobs, JobStatus.DEAD_LETTER, MESSAGE, user))


def _delete_jobs(organization: str) -> int:
    """Delete ended jobs. Skips locked ones."""
    found = find.of_organization(organization, FINISHED, AT_ONCE)
    rows = find.lock_finished([row["name"] for row in found])
    retention.delete_jobs(rows)
    text = "UPDATE `tabOrganization Removal` SET removed_jobs = removed_jobs + %s WHERE name = %s"
    sql.execute_as_of_now(text, (len(rows), organization))
    return len(rows)


def _complete(organization: str) -> None:
    """Complete a removal if nothing is left, also nothing made by a transaction older than the deletion."""
    if any(frappe.db.exists(doctype, {"organization": organization}) for doctype in (config.JOB, config.BATCH)):
        return
    _forget(organization)
    frappe.db.set_value(config.REMOVAL, organization, {"status": COMPLETED, "completed_at": clock.site_time()})


def _forget(organization: str) -> None:
    _delete_all(config.SCHEDULE, organization)
    dml.delete_rows(config.CIRCUIT, "organization", [organization])  # another one may get its name
    dismiss(organization)


def dismiss(organization: str) -> None:
    """Delete all memberships of an organization."""
    _delete_all("Org Member", organization)
    visibility.forget()


def _delete_all(doctype: str, organization: str) -> None:
    retention.delete_documents(doctype, sorted(dml.names_of(doctype, "organization", [organization])))
