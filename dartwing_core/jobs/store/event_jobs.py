"""Jobs that tell other apps what has happened: inserted with the change, so they exist exactly if it is committed.

The hook `background_job_events` names functions by Job Type ("*" for all) and event, `job_batch_events` by event. Each
call is a job of its own, of the Job Type `enqueued_function`. So it is as durable as what it tells, is retried, and
keeps no request, worker or sweep waiting. It runs as the owner of what it tells about. Jobs of that type have no
events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from ..base import canonical, clock, config, priorities
from ..base.row_types import OwnedJob
from ..db import sql
from ..rq import doorbells, redis_queue
from ..status import JobStatus
from . import new_rows
from .job_rows import NewJobRow

HOOK, BATCH_HOOK = "background_job_events", "job_batch_events"
ANY_TYPE = "*"
TIMEOUT = 300
SUBMITTED, RETRIED = "submitted", "retried"
_OF_STATUS = {
    JobStatus.RUNNING: "started",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.TIMED_OUT: "failed",
    JobStatus.DEAD_LETTER: "dead_letter",
    JobStatus.CANCELED: "canceled",
}
_ENDS_OF_ATTEMPTS = frozenset({JobStatus.FAILED, JobStatus.TIMED_OUT, JobStatus.DEAD_LETTER})


class Doorbell:
    """Wakes workers for the new jobs once the current transaction is committed."""

    is_for_any_commit = True

    def __init__(self) -> None:
        self.rows: list[NewJobRow] = []

    def __call__(self) -> None:
        rows, self.rows = self.rows, []
        redis_queue.if_there(lambda: doorbells.ring(rows))


def insert_for(jobs: Iterable[OwnedJob], from_status: JobStatus | None, to_status: JobStatus) -> None:
    """Insert a job for each function that is to hear of this change of jobs. `from_status`: None for new jobs.

    Does not commit.
    """
    event = _event_of(from_status, to_status)
    by_type = _declared(HOOK) if event else None
    if not by_type or not event:
        return
    rows = []
    for job in jobs:
        told = {"job_id": job["name"], "job_type": job["job_type"]}
        keys = (job["job_type"], ANY_TYPE) if job["job_type"] != config.ENQUEUED else ()
        for path in (path for key in keys for path in _paths(by_type.get(key), event)):
            rows.append(_row(path, job["organization"], job["owner_user"], {"event": event, **told}))
    _insert(rows)


def insert_for_batch(batch: str, organization: str, owner: str, status: str) -> None:
    """The same for the end of a batch."""
    event = status.lower()
    paths = _paths(_declared(BATCH_HOOK), event)
    _insert([_row(path, organization, owner, {"event": event, "batch_id": batch}) for path in paths])


def named_functions() -> set[str]:
    """The dotted paths of all functions that the hooks name."""
    by_type = _declared(HOOK) or {}
    events = [by_event for by_event in (*by_type.values(), _declared(BATCH_HOOK)) if isinstance(by_event, Mapping)]
    return {path for by_event in events for event in by_event for path in _paths(by_event, event)}


def _event_of(from_status: JobStatus | None, to_status: JobStatus) -> str | None:
    if from_status is None:
        return SUBMITTED
    return _OF_STATUS.get(to_status) or (RETRIED if from_status in _ENDS_OF_ATTEMPTS else None)


def _declared(hook: str) -> Mapping[str, Any] | None:
    """What apps declare in a hook. A list in its place names no event."""
    found = config.hook(hook)
    return found if isinstance(found, Mapping) else None


def _paths(by_event: Any, event: str) -> list[str]:
    return list(by_event.get(event, ())) if isinstance(by_event, Mapping) else []


def _row(path: str, organization: str, owner: str, details: dict[str, str]) -> NewJobRow:
    arguments = {**details, "organization": organization, "owner_user": owner}
    parameters = canonical.canonical_json({"method": path, "arguments": arguments})
    job_type, now = config.job_type(config.ENQUEUED), clock.now_epoch()
    priority = (job_type and job_type.default_priority) or "Normal"
    row = new_rows.new_row(owner, organization, now) | new_rows.columns(now, priority)
    row |= {
        "job_type": config.ENQUEUED,
        "priority": priority,
        "queue": (job_type and job_type.queue) or priorities.QUEUE_OF_PRIORITY[priority],
        "job_title": path.rpartition(".")[2],
        "input_parameters": parameters,
        "job_hash": canonical.hash_of(config.ENQUEUED, organization, parameters),
        "timeout_seconds": TIMEOUT,
        "max_retries": job_type.max_retries or 0 if job_type else 0,
    }
    return cast(NewJobRow, row)


def _insert(rows: Sequence[NewJobRow]) -> None:
    if rows:
        new_rows.insert(rows)
        sql.callback_of_transaction(Doorbell).rows.extend(rows)
