"""Attempts that nobody is making any more, and those that were asked to stop and did not.

The lease decides, never RQ's word alone: RQ takes a worker for alive that is dead, and the reverse. The job's row
moves on first, which fences the attempt off (invariant I4); then its connection is ended, whatever state it is in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from . import backlog, clock, config, dispatch, ids, outcome, redis_queue, runs, sql, store
from .outcome import Outcome

ATTEMPTS = 500  # looked at in one go


def doubtful(limit: int = ATTEMPTS) -> list[dict[str, Any]]:
    """The running attempts that one of the functions below may have to end."""
    return backlog.doubtful(clock.now_epoch(), limit)


def rescue_lost(attempts: Sequence[Mapping[str, Any]] | None = None) -> int:
    """End attempts whose lease is over, so that their jobs are tried again; returns how many."""
    now = clock.now_epoch()
    lost = [job for job in (doubtful() if attempts is None else attempts) if lease_end(job) < now]
    return sum(bool(dispatch.quietly(partial(_rescue, job))) for job in lost)


def _rescue(job: Mapping[str, Any]) -> bool:
    return _end(job, outcome.lost(job, config.retry_policy(job["job_type"])))


def stop_canceled(attempts: Sequence[Mapping[str, Any]] | None = None) -> int:
    """End by force attempts that were asked to stop longer than the grace period ago; returns how many."""
    latest = clock.now_epoch() - config.settings().cancel_grace_seconds
    asked = [job for job in (doubtful() if attempts is None else attempts) if job["cancel_requested"]]
    stubborn = [job for job in asked if job["cancel_requested_epoch"] < latest]
    ended = 0
    for job in stubborn:
        if _end(job, outcome.canceled(job["canceled_by"], job["cancel_reason"], by_force=True)):
            ended += 1
            redis_queue.stop(job["name"], job["attempt"])
    return ended


def lease_end(job: Mapping[str, Any]) -> float:
    """Until when the attempt counts as alive (UTC seconds): by its heartbeat, or by its start before the first one."""
    return job["lease_expires_epoch"] or clock.latest_epoch(job["started_at"]) + config.settings().lease_seconds


def _end(job: Mapping[str, Any], end: Outcome) -> bool:
    """Settle an attempt from outside; False if it has just settled itself."""
    if not sql.committed(lambda: _settle(job, end)):
        return False
    sql.kill_connection(job["connection_id"], clock.latest_epoch(job["started_at"]))
    return True


def _settle(job: Mapping[str, Any], end: Outcome) -> bool:
    moved = store.transition(
        job,
        end.status,
        end.message,
        values=end.values,
        actor=end.values.get("canceled_by") or config.ENGINE,
        worker=job["worker"],
    )
    if moved:
        runs.finish(ids.run_name(job["name"], job["attempt"]), _run_values(job, end), exists=True)
    return moved


def _run_values(job: Mapping[str, Any], end: Outcome) -> dict[str, Any]:
    now = clock.site_time()
    return {
        "background_job": job["name"],
        "attempt": job["attempt"],
        "started_at": job["started_at"],
        "outcome": str(end.status),
        "ended_at": now,
        "duration": max(0.0, (now - job["started_at"]).total_seconds()),
        "error_message": end.error,
        "lease_expires_epoch": 0,
    }
