"""Attempts of jobs in this process, in the steps in which the loop of a worker makes them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dartwing_core.jobs import executor
from dartwing_core.jobs.line.claim import ClaimedJob, Claimer
from dartwing_core.jobs.run.attempt import Attempt
from dartwing_core.jobs.run.context import JobContext


@dataclass
class Begun:
    """A job that was claimed by a process, which may run it at any time later."""

    attempt: Attempt

    @property
    def job(self) -> ClaimedJob:
        """The job as its process has claimed it."""
        return self.attempt.job

    @property
    def context(self) -> JobContext:
        """What its handler gets."""
        return self.attempt.context

    def make(self) -> Attempt:
        """Run the handler, settle, and follow up, as the only attempt of its process."""
        loop = self._loop()
        try:
            loop.step(self.attempt)
        finally:
            loop.end()
        return self.attempt

    def settle(self) -> Attempt:
        """Run the handler and settle. The process dies in the moment after that."""
        loop = self._loop()
        loop._clear_up = lambda _attempt: None  # type: ignore[method-assign,assignment]
        try:
            loop.step(self.attempt)
        finally:
            loop._heartbeat.end()
            loop._context.restore()
        return self.attempt

    def _loop(self) -> executor.Loop:
        loop = executor.Loop(Claimer())
        loop.attempt = self.attempt
        loop._heartbeat.hold(self.attempt.heartbeat)
        return loop


def taken(name: str, number: int) -> ClaimedJob | None:
    """Take this job for this attempt; what a worker knows of it then, None if it can't be taken."""
    return Claimer().claim_named(name, number)


def begun(name: str, number: int) -> Begun:
    """The same, as the attempt that is to be made."""
    job = taken(name, number)
    assert job is not None, f"{name} could not be taken"
    return of(job)


def of(job: ClaimedJob) -> Begun:
    """The attempt that is to be made of a job that was taken."""
    return Begun(Attempt(job))


def begun_next(queues: Collection[str] | None = None) -> Begun | None:
    """Take the job whose turn it is, of these queues (all by default), as the attempt that is to be made; None if
    nobody may go."""
    job = Claimer(queues).claim_next()
    return of(job) if job else None


def run_next(queues: Collection[str] | None = None) -> str | None:
    """The same, and make it, with what follows it; the job's name."""
    made = begun_next(queues)
    return made.make().job.name if made else None


def run_all(most: int = 1_000) -> list[str]:
    """The same until nobody may go: their names, in their order."""
    names: list[str] = []
    while len(names) < most and (name := run_next()):
        names.append(name)
    return names
