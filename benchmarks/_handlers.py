"""The engine's counterparts of `_bare`. Workers import them: the site's configuration names this module."""

from __future__ import annotations

import os
import threading
import time

from benchmarks import _bare, _settles
from dartwing_core.jobs import JobContext, TransientError, job_handler


@job_handler
def nothing(context: JobContext) -> None:
    """Ends at once."""


@job_handler
def nothing_timed(_context: JobContext) -> None:
    """Ends at once; its process notes how long settles take."""
    _settles.note_from_now_on()


@job_handler
def document(_context: JobContext) -> None:
    """Reads a document and inserts another."""
    _bare.document()


@job_handler
def pause(_context: JobContext) -> None:
    """Waits for 50 ms."""
    _bare.pause()


@job_handler
def seconds(context: JobContext) -> None:
    """Takes `seconds`."""
    time.sleep(context.parameters["seconds"])


@job_handler
def stamp(context: JobContext) -> None:
    """Note the time at which a job's own code begins."""
    _bare.stamp(context.parameters["path"])


@job_handler
def linger(context: JobContext) -> None:
    """Note who makes which attempt, and when it began; the first one then waits to be killed."""
    _bare.note(context.parameters["path"], f"{context.job_id} {context.attempt} {os.getpid()} {time.time()}")
    if context.attempt == 1:
        threading.Event().wait(context.timeout_seconds)


@job_handler
def second(_context: JobContext) -> None:
    """Takes a second."""
    threading.Event().wait(1)


@job_handler
def fails_once(context: JobContext) -> None:
    """Asks to be tried again after `delay` seconds."""
    if context.attempt == 1:
        raise TransientError("asked to fail", retry_after=context.parameters["delay"])
