"""The engine's counterparts of `_bare`. Workers import them: the site's configuration names this module."""

from __future__ import annotations

from benchmarks import _bare
from dartwing_core.jobs import JobContext, job_handler


@job_handler
def nothing(context: JobContext) -> None:
    """Ends at once."""


@job_handler
def write(_context: JobContext) -> None:
    """Adds one row."""
    _bare.write()


@job_handler
def stamp(context: JobContext) -> None:
    """Note the time at which a job's own code begins."""
    _bare.stamp(context.parameters["path"])
