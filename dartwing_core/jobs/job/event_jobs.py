"""Jobs that tell other apps what has happened: inserted with the change, so they exist exactly if it is committed.

The hook `background_job_events` names functions by Job Type ("*" for all) and event, `job_batch_events` by event. A Job
Type may name one for its dead letters. Each call is a job of its own, of the Job Type `enqueued_function`. It runs as
Administrator, like functions of the scheduler: an owner may have left. Jobs of that type have no events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import frappe

from ..lib import canonical, config
from ..lib.rows import QUEUE_OF_PRIORITY, NewJobRow, OwnedJob, new_job
from ..lib.texts import is_path
from ..rq import redis_queue
from ..status import RETRYABLE, JobStatus

HOOK, BATCH_HOOK = "background_job_events", "job_batch_events"
ANY_TYPE = "*"
SUBMITTED, RETRIED, DEAD_LETTER = "submitted", "retried", "dead_letter"
_OF_STATUS = {
    JobStatus.RUNNING: "started",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.TIMED_OUT: "failed",
    JobStatus.DEAD_LETTER: DEAD_LETTER,
    JobStatus.CANCELED: "canceled",
}
EVENTS = frozenset({SUBMITTED, RETRIED, *_OF_STATUS.values()})
BATCH_EVENTS = frozenset({"completed", "failed", "canceled"})


def rows_for(jobs: Iterable[OwnedJob], from_status: JobStatus | None, to_status: JobStatus) -> list[NewJobRow]:
    """A row for each function that is to hear of this change of jobs. `from_status`: None for new jobs."""
    if from_status is None:
        event = SUBMITTED
    else:
        event = _OF_STATUS.get(to_status) or (RETRIED if from_status in RETRYABLE else "")
    by_type = _declared(HOOK) if event else {}
    if not by_type and event != DEAD_LETTER:
        return []
    return [
        _row(path, job["organization"], job["owner_user"], event=event, job_id=job["name"], job_type=job["job_type"])
        for job in jobs
        for path in _paths_for(job["job_type"], by_type, event)
    ]


def _paths_for(job_type: str, by_type: Mapping[str, Any], event: str) -> list[str]:
    if job_type == config.ENQUEUED:
        return []
    paths = [path for key in (job_type, ANY_TYPE) for path in _paths(by_type.get(key), event)]
    found = config.job_type(job_type) if event == DEAD_LETTER else None
    if found and (own := found.get("dead_letter_handler_method")) and own not in paths:
        paths += _paths({event: own}, event)
    return paths


def rows_for_batch(batch: str, organization: str, owner: str, status: str) -> list[NewJobRow]:
    """A row for each function that is to hear of the end of a batch."""
    event = status.lower()
    paths = _paths(_declared(BATCH_HOOK), event)
    return [_row(path, organization, owner, event=event, batch_id=batch) for path in paths]


def named_functions() -> set[str]:
    """The dotted paths of all functions that the hooks name."""
    by_type = _declared(HOOK)
    events = [by_event for by_event in (*by_type.values(), _declared(BATCH_HOOK)) if isinstance(by_event, Mapping)]
    return {path for by_event in events for event in by_event for path in _paths(by_event, event)}


def _declared(hook: str) -> Mapping[str, Any]:
    """The declarations of apps in a hook. A list in its place names no event."""
    found = config.hook(hook)
    return found if isinstance(found, dict) else {}


def _paths(by_event: Any, event: str) -> list[str]:
    """The functions for an event. Other values are left out: they must not fail the change."""
    found = by_event.get(event) if isinstance(by_event, Mapping) else None
    paths = found if isinstance(found, list | tuple) else [found]
    return [path for path in paths if isinstance(path, str) and len(path) <= config.LONGEST_NAME and is_path(path)]


def _row(path: str, organization: str, owner: str, **details: str) -> NewJobRow:
    """The job that calls a function. `organization` and `owner`: of what it is told about."""
    job_type = config.job_type(config.ENQUEUED) or frappe._dict()
    queue, priority = job_type.queue, job_type.default_priority or "Normal"
    arguments = {**details, "organization": organization, "owner_user": owner}
    parameters = canonical.canonical_json({"method": path, "arguments": arguments})
    return new_job(
        config.ENGINE,
        organization,
        priority,
        job_type=config.ENQUEUED,
        job_title=path.rpartition(".")[2],
        queue=queue if queue in redis_queue.queue_names() else QUEUE_OF_PRIORITY[priority],
        timeout_seconds=config.DEFAULT_TIMEOUT,
        max_retries=job_type.max_retries or 0,
        is_result_private=1,
        sealed_input_parameters=parameters,  # ids alone, and a change must not fail for want of the site's key
        job_hash=canonical.hash_of(config.ENQUEUED, organization, parameters),
    )
