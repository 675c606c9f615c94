"""Sample handlers: for a first try, for demonstrations and for tests of an installation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from dartwing_core.jobs import JobContext, PermanentError, TransientError, job_handler

STEP_SECONDS = 0.1
MORE = {"extra": "allow"}
"""pydantic's setting for a type that takes further parameters. Here they make jobs differ that are equal otherwise."""


@dataclass
class SampleParameters:
    """The parameters of sample_job, beside any others."""

    __pydantic_config__ = MORE

    duration: Annotated[float, "Seconds of work"] = 1
    fail_type: Annotated[Literal["transient", "permanent"] | None, "Makes the job fail"] = None
    fail_at_progress: Annotated[float, "The progress, in percent, at which it fails"] = 50
    fail_attempts: Annotated[int | None, "The number of attempts that fail; all by default"] = None


@dataclass
class LongRunningParameters:
    """The parameters of long_running_job, beside any others."""

    __pydantic_config__ = MORE

    duration: Annotated[float, "Seconds of work"] = 60


@job_handler("sample_job", timeout=60, max_retries=3, deduplication_window=300)
def sample_job(context: JobContext, parameters: SampleParameters) -> dict[str, Any]:
    """Works for `duration` seconds (1 by default), with progress, and fails if it is asked to."""
    most = parameters.fail_attempts
    fails = parameters.fail_type and (most is None or context.attempt <= most)
    steps = max(1, round(parameters.duration / STEP_SECONDS))
    for step in range(1, steps + 1):
        percent = 100 * step / steps
        if fails and percent >= parameters.fail_at_progress:
            error = TransientError if parameters.fail_type == "transient" else PermanentError
            raise error(f"Failed at {percent:.0f} %, as asked")
        time.sleep(parameters.duration / steps)
        context.update_progress(percent, f"Step {step} of {steps}")
    return {"steps": steps, "attempt": context.attempt}


@job_handler("echo_job", timeout=30, max_retries=1, deduplication_window=60)
def echo_job(context: JobContext) -> dict[str, Any]:
    """Returns its parameters."""
    return {"echo": context.parameters}


@job_handler("long_running_job", timeout=1_800, priority="Low", max_retries=2, deduplication_window=600)
def long_running_job(context: JobContext, parameters: LongRunningParameters) -> dict[str, Any]:
    """Works for `duration` seconds (60 by default), one step a second, and stops when it is canceled."""
    duration, began = parameters.duration, time.monotonic()
    while (elapsed := time.monotonic() - began) < duration:
        context.update_progress(100 * elapsed / duration, f"{elapsed:.0f} of {duration:.0f} s")
        time.sleep(min(1.0, duration - elapsed))
    return {"seconds": round(time.monotonic() - began, 1)}
