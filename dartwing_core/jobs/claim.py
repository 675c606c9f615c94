"""Taking a Queued job for an attempt: one guarded UPDATE, so that of any number of messages one succeeds."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from . import admission, clock, config, connection, sql, store, tenancy
from .status import JobStatus

LOCK_WAIT = 2  # seconds: somebody who cancels the job in a long transaction must not hold a worker


def worker_name() -> str:
    """This process, for people: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def claim(name: str, attempt: int) -> dict[str, Any] | None:
    """Take the job for this attempt; None if it is not there to be taken."""
    now = clock.site_time()

    def take() -> dict[str, Any] | None:
        job = _try_claim(name, attempt, now)
        sql.commit()  # callbacks of other apps could raise, and the attempt would be nobody's
        return job

    return connection.retried(take)


def _try_claim(name: str, attempt: int, now: datetime) -> dict[str, Any] | None:
    job = store.load_for_run(name)
    if job and job["status"] == str(JobStatus.RUNNING) and (job["attempt"], job["started_at"]) == (attempt, now):
        return job  # our own claim: the connection was lost in its commit
    if not job or job["status"] != str(JobStatus.QUEUED) or job["attempt"] != attempt - 1:
        return None  # a stale or doubled message: the row says what is true
    if reason := _reason_to_hold(job):
        _hold(job, reason)
        return None
    values = {
        "attempt": attempt,
        "started_at": now,
        "started_epoch": sql.database_epoch(),
        "connection_id": sql.this_connection(),
        "next_retry_at": None,
        "progress": 0,
        "progress_message": None,
    }
    message = f"Worker started execution, attempt {attempt}"
    moved = store.transition(
        job,
        JobStatus.RUNNING,
        message,
        values=values,
        actor=config.ENGINE,
        worker=worker_name(),
        lock_wait=LOCK_WAIT,
    )
    if not moved:
        return None
    return {**job, **values, "status": str(JobStatus.RUNNING)}


def _reason_to_hold(job: Mapping[str, Any]) -> str | None:
    """Why the job may not start now although its turn has come."""
    if config.settings().is_paused:
        return "Held: all jobs are paused"
    if admission.is_paused(job["queue"]):
        return f"Held: the queue {job['queue']} is paused"
    if not admission.type_may_start(job["job_type"]):
        return "Held: jobs of this type are paused"
    limits = tenancy.standing_of_owner(job).limits
    if limits.is_paused:
        return "Held: the organization's jobs are paused"
    if not limits.may_start:
        return f"Held: the organization is {str(limits.state).lower()}"
    return None


def _hold(job: Mapping[str, Any], reason: str) -> None:
    """Back in line, in its old place."""
    store.transition(job, JobStatus.PENDING, reason, values={"in_line": 1}, actor=config.ENGINE)
