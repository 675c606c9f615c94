"""Lone jobs in a genuine worker, whose entry point is marked on the wire, or traced."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import CO_OPTIMIZED
from pathlib import Path
from typing import Any

import frappe

from benchmarks import _site, _workers
from dartwing_core import __file__ as app
from dartwing_core.jobs import executor
from dartwing_core.jobs.rq import redis_queue
from tests.support.processes import queue_client
from tests.support.waiting import until

MARK = "benchmark: a lone job"
NOTES = "DW_FUNCTION_NOTES"
"""The environment variable that names the file in which `execute_traced` notes functions."""
AROUND: AbstractContextManager[None] = nullcontext()
Function = tuple[str, int]
"""File below the app's folder, and line."""


def execute_marked(background_job: str, attempt: int) -> None:
    """The entry point, with marks on the wire: it begins, it looks for another job, it ends. It does not linger."""
    client, claim = queue_client(), executor.Loop._claim

    def claim_marked(loop: executor.Loop, entry: object) -> object:
        client.echo(MARK)
        return claim(loop, entry)

    executor.LINGER_SECONDS, executor.Loop._claim = 0, claim_marked
    client.echo(MARK)
    executor.execute_job(background_job, attempt)
    client.echo(MARK)


def execute_traced(background_job: str, attempt: int) -> None:
    """The entry point; the functions that it calls are noted."""
    with traced() as called:
        executor.execute_job(background_job, attempt)
    Path(os.environ[NOTES]).write_text(json.dumps(sorted(called)))


@contextmanager
def traced() -> Iterator[set[Function]]:
    """Functions of the app that are called meanwhile, by this thread and those that begin."""
    called: set[Function] = set()
    folder = f"{Path(app).parent}/"

    def note(frame, event, _argument):
        code = frame.f_code  # the body of a module or a class is no function
        if event == "call" and code.co_flags & CO_OPTIMIZED and code.co_filename.startswith(folder):
            called.add((code.co_filename.removeprefix(folder), code.co_firstlineno))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@contextmanager
def jobs(execute: Callable[[str, int], None]) -> Iterator[Callable[..., Any]]:
    """A function that has an idle worker run one job through this entry point.

    Its argument is a context around the submit and its commit, of which it returns what that yields.
    """
    _site.job_type("benchmark", "nothing")
    frappe.set_user(_site.member())
    usual, redis_queue.EXECUTE = redis_queue.EXECUTE, execute
    try:
        with _workers.workers(1) as (worker,):

            def run(around: AbstractContextManager[Any] = AROUND) -> Any:
                before = _site.completed()
                with around as found:
                    _site.submit()
                    frappe.db.commit()
                until(lambda: _site.completed() > before, 30, "the end of the job")
                _workers.wait_until_idle([worker])
                return found

            yield run
    finally:
        redis_queue.EXECUTE = usual
