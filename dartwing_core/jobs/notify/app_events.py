"""Calls the functions that apps name for events of jobs and batches, after the commit.

The hook `background_job_events` names them by Job Type ("*" for all) and event, `job_batch_events` by event. They run
in the process that has committed the change, as the owner of the job or batch. Best effort: an error is only logged,
and a process that dies right after its commit calls nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import frappe
from rq.timeouts import BaseTimeoutException

from ..access.owner import acting_as
from ..base import canonical, config
from ..base.row_types import OwnedJob
from ..db import best_effort, sql, transaction
from ..status import JobStatus

HOOK, BATCH_HOOK = "background_job_events", "job_batch_events"
ANY_TYPE = "*"
SUBMITTED, RETRIED, CANCELED = "submitted", "retried", "canceled"
_OF_STATUS = {
    JobStatus.RUNNING: "started",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.TIMED_OUT: "failed",
    JobStatus.DEAD_LETTER: "dead_letter",
    JobStatus.CANCELED: CANCELED,
}
_AGAIN = frozenset({JobStatus.FAILED, JobStatus.TIMED_OUT, JobStatus.DEAD_LETTER})
_OF_CALLERS = frozenset({SUBMITTED, RETRIED, CANCELED})
"""Events in transactions of callers, who may undo them by a savepoint of their own."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """What has happened to a job.

    `event`: submitted, started, completed, failed (an attempt, also by its time limit), retried, dead_letter or
    canceled. `job_id`, `job_type`, `organization`, `owner_user`: of the job. `from_status`, `to_status`: the change;
    `from_status` is None for a submitted job.
    """

    event: str
    job_id: str
    job_type: str
    organization: str
    owner_user: str
    from_status: JobStatus | None
    to_status: JobStatus

    @property
    def parameters(self) -> dict[str, Any]:
        """The job's parameters, read from its row. Empty if it is gone."""
        return canonical.load(frappe.db.get_value(config.JOB, self.job_id, "input_parameters")) or {}


@dataclass(frozen=True, slots=True)
class BatchEvent:
    """The end of a batch.

    `event`: completed, failed or canceled. `batch_id`, `organization`, `owner_user`: of the batch.
    """

    event: str
    batch_id: str
    organization: str
    owner_user: str


class Call(NamedTuple):
    """A function's dotted path, and the event for it."""

    path: str
    event: JobEvent | BatchEvent


class AppEvents:
    """The functions to be called once the current transaction is committed. A rollback drops them."""

    is_for_any_commit = True
    is_quick = False

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self) -> None:
        """Go behind Frappe's other callbacks: a function may take long, and locks would be held meanwhile."""
        if self.calls:
            frappe.db.after_commit.add(self.call_last)

    def call_last(self) -> None:
        """Call the functions, each in a transaction of its own."""
        calls, self.calls = self.calls, []
        undone = _undone([call.event for call in calls if isinstance(call.event, JobEvent)])
        for call in calls:
            if call.event not in undone:
                _call(call)


def note_change(jobs: Iterable[OwnedJob], from_status: JobStatus | None, to_status: JobStatus) -> None:
    """Have the functions for this change of jobs called after the commit. `from_status`: None for new jobs."""
    by_type, event = config.hook(HOOK), _event_of(from_status, to_status)
    if not by_type or not event:
        return
    for job in jobs:
        paths = [path for key in (job["job_type"], ANY_TYPE) for path in _paths(by_type.get(key), event)]
        if paths:
            ids = (job["name"], job["job_type"], job["organization"], job["owner_user"])
            _note(paths, JobEvent(event, *ids, from_status, to_status))


def note_batch_end(batch: str, organization: str, owner: str, status: str) -> None:
    """Have the functions for the end of a batch called after the commit."""
    event = BatchEvent(status.lower(), batch, organization, owner)
    _note(_paths(config.hook(BATCH_HOOK), event.event), event)


def _note(paths: Sequence[str], event: JobEvent | BatchEvent) -> None:
    if paths:
        sql.callback_of_transaction(AppEvents).calls.extend(Call(path, event) for path in paths)


def _paths(by_event: Any, event: str) -> list[str]:
    return by_event.get(event, []) if isinstance(by_event, Mapping) else []


def _event_of(from_status: JobStatus | None, to_status: JobStatus) -> str | None:
    if from_status is None:
        return SUBMITTED
    return _OF_STATUS.get(to_status) or (RETRIED if from_status in _AGAIN else None)


def _undone(events: Sequence[JobEvent]) -> set[JobEvent]:
    """The events that a savepoint has undone."""
    asked = [event for event in events if event.event in _OF_CALLERS]
    if not asked:
        return set()
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.name, job.status).where(job.name.isin([event.job_id for event in asked]))
    found: dict[str, str] = dict(query.run())
    return {event for event in asked if found.get(event.job_id) in (None, event.from_status)}


def _call(call: Call) -> None:
    """Call a function in a transaction of its own, as the owner. An error goes to the Error Log."""
    try:
        with transaction.own_callbacks(), acting_as(call.event.owner_user):
            frappe.get_attr(call.path)(call.event)
            frappe.db.commit()
    except BaseTimeoutException:
        raise
    except Exception:
        trace = frappe.get_traceback()
        best_effort.run(sql.rollback)
        title = f"{call.path} failed at the event {call.event.event}"
        best_effort.run(partial(sql.committed, partial(frappe.log_error, title, trace)))
