"""Attempts of jobs in this process, in the steps in which a worker makes them."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from dartwing_core.jobs.after import after_settle
from dartwing_core.jobs.lib import ids
from dartwing_core.jobs.line import claim
from dartwing_core.jobs.line.claim import ClaimedJob
from dartwing_core.jobs.run import attempt, between, heartbeat
from dartwing_core.jobs.sweep import agent


class Begun(attempt.Attempt):
    """A job that was taken; `make` runs its handler and settles, as the only attempt of its process."""

    def make(self, *given: Any, **named: Any) -> ClaimedJob | None:
        """Run the handler and settle. End the heartbeat thread."""
        try:
            return super().make(*given, **named)
        finally:
            self.heartbeat._heartbeat_thread.end()


def taken(name: str, number: int) -> ClaimedJob | None:
    """Take this job for this attempt; what a worker knows of it then, None if it can't be taken."""
    return claim.Claimer().claim_named(name, number)


def begun(name: str, number: int) -> Begun:
    """The same, as the attempt that is to be made."""
    job = taken(name, number)
    assert job is not None, f"{name} could not be taken"
    return of(job)


def of(job: ClaimedJob) -> Begun:
    """The attempt that is to be made of a job that was taken."""
    entry_id = ids.run_name(job.name, job.attempt)
    return Begun(job, entry_id, time.monotonic(), heartbeat.HeartbeatThread(agent.StandIn()))


def begun_next(queues: Collection[str] | None = None) -> Begun | None:
    """Take the job whose turn it is, of these queues (all by default), as the attempt that is to be made; None if
    nobody may go."""
    job = claim.Claimer(queues).claim_next()
    return of(job) if job else None


def run_next(queues: Collection[str] | None = None) -> str | None:
    """The same, and make it, with what follows it; the job's name."""
    made = begun_next(queues)
    if made is None:
        return None
    context = between.Context()
    try:
        made.make()
    finally:
        context.restore()
    after_settle.follow_up(made)
    return made.job.name


def run_all(most: int = 1_000) -> list[str]:
    """The same until nobody may go: their names, in their order."""
    names: list[str] = []
    while len(names) < most and (name := run_next()):
        names.append(name)
    return names
