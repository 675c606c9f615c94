"""Taking a Queued job for an attempt: one guarded UPDATE, so that of any number of messages one succeeds."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from . import admission, choice, circuits, clock, config, connection, dispatch, limits, sql, store, tenancy
from .status import JobStatus

_TRIED_OUT = "the circuit of {} is being tried by another job"
LOCK_WAIT = 2  # seconds: somebody who cancels the job in a long transaction must not hold a worker


def worker_name() -> str:
    """This process, for people: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def claim(name: str, attempt: int) -> dict[str, Any] | None:
    """Take the job for this attempt; None if it is not there to be taken, or must not start now."""
    now = clock.site_time()

    def take() -> dict[str, Any] | None:
        job = _try_claim(name, attempt, now)
        sql.commit()  # callbacks of other apps could raise, and the attempt would be nobody's
        return job

    job = connection.retried(take)
    if job and job["status"] != str(JobStatus.RUNNING):
        for queue in config.by_priority([job["queue"], job["own_queue"]]):
            dispatch.quietly(partial(admission.admit, queue))  # what held it may be over by now
        return None
    return job


def _try_claim(name: str, attempt: int, now: datetime) -> dict[str, Any] | None:
    """The job as it is then: Running, or Pending if it was held back; None if there was nothing to be taken."""
    job = store.load_for_run(name)
    if not job:
        return None
    limits_of_organization = tenancy.standing_of_owner(job).limits
    type_doc = config.job_type(job["job_type"])
    job["caps"] = limits.caps_of(limits_of_organization, type_doc, job["organization"], job["job_type"])
    job["circuit"] = circuits.of_job(job)
    job["own_queue"] = config.own_queue(job)
    if job["status"] == str(JobStatus.RUNNING) and (job["attempt"], job["started_at"]) == (attempt, now):
        return job  # our own claim: the connection was lost in its commit
    if job["status"] != str(JobStatus.QUEUED) or job["attempt"] != attempt - 1:
        return None  # a stale or doubled message: the row says what is true
    if reason := _reason_to_hold(job, type_doc, limits_of_organization) or _circuit_in_the_way(job):
        return _hold(job, reason)
    return _start_under_caps(job, now) if job["caps"] else _start(job, now)


def _start_under_caps(job: dict[str, Any], now: datetime) -> dict[str, Any] | None:
    """One such claim after another: each counts what the one before it has committed."""
    with limits.locked(job["caps"]) as are_ours:
        sql.commit()  # a snapshot of what runs now
        if not are_ours:
            return _hold(job, "the limits could not be asked")
        if key := limits.reached(job["caps"]):
            return _hold(job, f"{job['caps'][key]} jobs of its {'type' if key[1] else 'organization'} are running")
        started = _start(job, now)
        sql.commit()
    return started


def _start(job: dict[str, Any], now: datetime) -> dict[str, Any] | None:
    attempt, circuit = job["attempt"] + 1, job["circuit"]
    if circuit:
        circuit = circuits.take_probe(circuit, job["name"], attempt)
        if circuit is None:
            return _hold(job, _TRIED_OUT.format(job["job_type"]))
    values = {
        "attempt": attempt,
        "queue": job["own_queue"],
        "started_at": now,
        "started_epoch": sql.database_epoch(),
        "connection_id": sql.this_connection() or 0,
        "next_retry_at": None,
        "progress": 0,
        "progress_message": None,
    }
    moved = store.transition(
        job,
        JobStatus.RUNNING,
        f"Worker started execution, attempt {values['attempt']}",
        values=values,
        actor=config.ENGINE,
        worker=worker_name(),
        lock_wait=LOCK_WAIT,
    )
    if not moved:
        return None
    # The queue that it was taken from: its end makes room there, wherever its retries will wait.
    return {**job, **values, "queue": job["queue"], "circuit": circuit, "status": str(JobStatus.RUNNING)}


def _reason_to_hold(job: Mapping[str, Any], type_doc: Any, limits_of_organization: tenancy.Limits) -> str | None:
    """Why the job may not start now although its turn has come."""
    if reason := admission.why_paused(job["own_queue"]) or admission.why_paused(job["queue"]):
        return reason
    if not choice.may_start(type_doc):
        return "jobs of this type are paused"
    if limits_of_organization.is_paused:
        return "the organization's jobs are paused"
    if not limits_of_organization.may_start:
        return f"the organization is {str(limits_of_organization.state).lower()}"
    return None


def _circuit_in_the_way(job: Mapping[str, Any]) -> str | None:
    circuit = job["circuit"]
    if circuit is None or not circuit.is_held:
        return None
    if not circuit.is_cooling:
        return _TRIED_OUT.format(circuit.job_type)
    return (
        f"the circuit of {circuit.job_type} is open until {clock.site_time(circuit.open_until_epoch):%Y-%m-%d %H:%M:%S}"
    )


def _hold(job: Mapping[str, Any], reason: str) -> dict[str, Any] | None:
    """Back in line, in its old place, of its own queue."""
    values = {"in_line": 1, "queue": job["own_queue"]}
    moved = store.transition(job, JobStatus.PENDING, f"Held: {reason}", values=values, actor=config.ENGINE)
    return {**job, "status": str(JobStatus.PENDING)} if moved else None
