"""For the tests of apps that submit jobs: runs jobs at once, and tells which ones were submitted.

`dartwing_core.jobs.testing_fixtures` has pytest fixtures, and `JobTests` is a mixin for Frappe's test classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import frappe

from . import executor
from .access import content
from .job import find, job_files, record
from .lib import clock, config, connection, sealing, secret_values, sql
from .lib.rows import AttemptKey, NewJobRow
from .line import queue_view
from .rq import doorbells
from .run.context import JobContext
from .run.heartbeat import HeartbeatThread
from .status import JobStatus
from .sweep import sweeper
from .types import functions, parameters
from .types.handlers import mark_of

SAVEPOINT = "dartwing_core_commit"


class HandlerFailed(AssertionError):
    """An attempt has failed in `run_jobs(raising=True)`. The text is the handler's traceback."""


class TransactionLost(AssertionError):
    """A handler has changed its database session, so the test's transaction can't go on. Use `run_jobs` for it."""


def run_jobs(limit: int = 1_000, *, raising: bool = False) -> dict[str, str]:
    """Run all jobs of the site that may start, one after the other in this process. Returns their status by id, in the
    order of their starts.

    Also runs the jobs that follow: children, callbacks, and jobs that handlers submit. Leaves jobs that are due later
    (retries too), paused or over a limit. Commits, as workers do. For sites without workers, which might claim a job
    first. With `raising`, an attempt that fails raises HandlerFailed. Raises RuntimeError rather than make more than
    `limit` attempts.
    """
    made = _make_attempts(_next, limit, raising)
    frappe.db.commit()  # a snapshot that shows all committed jobs
    return _statuses(dict.fromkeys(name for name, _attempt in made))


@contextmanager
def perform_jobs(*, raising: bool = True, limit: int = 1_000) -> Iterator[dict[str, str]]:
    """Run the jobs that are submitted in this block at its end, as if it was committed there.

    All of it is in the test's own transaction, in which commits are savepoints: a rollback removes the jobs and what
    they wrote. Other jobs of the site stay as they are. Jobs that follow run too, as by `run_jobs`, but for those that
    are due later. A later block within `time_passed` runs them, and retries of this block's jobs. The block's value
    holds the statuses of its jobs by job id, once it is over, also of jobs of events (`background_job_events`).
    A handler's error raises HandlerFailed, unless `raising` is False. A statement that commits by itself, such as
    ALTER TABLE, ends the transaction.
    """
    statuses: dict[str, str] = {}
    names: dict[str, None] = {}

    def forget() -> None:
        for name in names:
            _performed.pop(name, None)
        job_files.delete_now(list(names))

    with one_transaction(), _noting_new_rows("_insert", lambda row: names.setdefault(row["name"])):
        yield statuses
        frappe.db.commit()
        record.enter_line(list(_performed))  # what an earlier block has left, and is due by now
        try:
            made = _make_attempts(lambda made: _next_of([*_performed, *names], made), limit, raising)
        finally:
            _performed.update(names)
            frappe.db.after_rollback.add(forget)  # last: a handler's rollback calls what is there
        statuses.update(_statuses(names | dict.fromkeys(name for name, _attempt in made)))


_performed: dict[str, None] = {}
"""Jobs of earlier blocks of `perform_jobs`, as far as no rollback has removed them."""


Attempts = dict[tuple[str, int], None]


def _make_attempts(find_next: Callable[[Attempts], AttemptKey | None], limit: int, raising: bool) -> Attempts:
    """Make one attempt after another of the job that `find_next` finds. Returns each one's job and earlier attempts."""
    made: Attempts = {}
    while job := find_next(made):
        if len(made) >= limit:
            raise RuntimeError(f"More than {limit} attempts: does a job submit another one each time?")
        made[job["name"], job["attempt"]] = None
        executor.run_one(job["name"], job["attempt"] + 1)
        if raising:
            _raise_failure(job["name"], job["attempt"] + 1)
    return made


def _statuses(names: Collection[str]) -> dict[str, str]:
    """The statuses of those of these jobs that are still there, in the order of the names."""
    found = find.statuses(list(names)) if names else {}
    return {name: found[name] for name in names if name in found}


@contextmanager
def _noting_new_rows(function: str, note: Callable[[NewJobRow], Any]) -> Iterator[None]:
    """In this block `note` gets the row of each new job. `function`: the one of `record` that inserts them."""
    insert = getattr(record, function)

    def noted(rows: Sequence[NewJobRow], *more: Any) -> None:
        insert(rows, *more)
        for row in rows:
            note(row)

    with mock.patch.object(record, function, noted):
        yield


def _next_of(names: Collection[str], made: Attempts) -> AttemptKey | None:
    """The first of these jobs that may start. `made`: names and attempts that were tried; some jobs may not start."""
    queued = {"name": ["in", list(names)], "status": str(JobStatus.QUEUED)}
    found = frappe.get_all(config.JOB, queued, ["name", "attempt"]) if names else []
    by_name = {row["name"]: row for row in found if (row["name"], row["attempt"]) not in made}
    return next((by_name[name] for name in names if name in by_name), None)


def _next(_made: Attempts) -> AttemptKey | None:
    """The job whose turn it is, after a sweep."""
    sweeper.sweep()
    line = queue_view.read_view().order.next()
    rows = queue_view.first_jobs(line, 1) if line else []
    return rows[0] if rows else None


def _raise_failure(name: str, attempt: int) -> None:
    """Raise HandlerFailed if this attempt was made, and has failed."""
    frappe.db.commit()  # a new snapshot
    filters, fields = {"background_job": name, "attempt": attempt}, ["outcome", "traceback", "error_message"]
    runs = frappe.get_all(config.RUN, filters, content.columns(fields), limit=1)
    run = content.opened(runs[0]) if runs else None
    if run and (run.error_message or run.traceback):
        raise HandlerFailed(f"Job {name}: {run.outcome}\n{run.traceback or run.error_message}")


# Submitted jobs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrappedJob:
    """A job that was submitted."""

    job_id: str
    job_type: str
    organization: str
    parameters: Mapping[str, Any]
    title: str | None


@dataclass
class Trap:
    """The jobs that were submitted since `trap_jobs`, in their order."""

    jobs: list[TrappedJob] = field(default_factory=list)

    def assert_submitted(self, job_type: str | Callable[..., Any], /, **wanted: Any) -> TrappedJob:
        """One job of this type was submitted with these parameters. It may have others beside them. Returns it.

        `job_type`: its name, or the handler that declares it. Or a function that was enqueued, with its arguments.
        """
        name, method = _name_of(job_type)
        found = self._find(name, method, wanted)
        if len(found) != 1:
            about = f"{len(found)} jobs {method or name} with {wanted} were submitted, not one."
            raise AssertionError(f"{about} {self._all()}")
        return found[0]

    def assert_nothing_submitted(self, job_type: str | Callable[..., Any] | None = None) -> None:
        """No job, or none of this type or function, was submitted."""
        found = self.jobs if job_type is None else self._find(*_name_of(job_type), {})
        if found:
            raise AssertionError(self._all())

    def _find(self, name: str, method: str | None, wanted: Mapping[str, Any]) -> list[TrappedJob]:
        """The jobs of this type, or the calls of this enqueued function, with these parameters among others."""
        found = [job for job in self.jobs if job.job_type == name]
        if method is not None:
            found = [job for job in found if job.parameters["method"] == method]
            return [job for job in found if wanted.items() <= job.parameters["arguments"].items()]
        return [job for job in found if wanted.items() <= job.parameters.items()]

    def _all(self) -> str:
        lines = [f"{job.job_type} {json.dumps(job.parameters)}" for job in self.jobs]
        return "Submitted:\n" + ("\n".join(lines) or "nothing")

    def _add(self, row: NewJobRow) -> None:
        given = json.loads(content.parameters_of(row) or "{}")
        for name, value in given.items():
            if secret_values.is_sealed(value):
                given[name] = sealing.opened(value[secret_values.MARK])
        self.jobs.append(TrappedJob(row["name"], row["job_type"], row["organization"], given, row["job_title"]))


def _name_of(job_type: str | Callable[..., Any]) -> tuple[str, str | None]:
    """The name of a Job Type that is given by name or by its handler. Of an enqueued function, also its path.

    Raises TypeError for a handler without a Job Type.
    """
    if isinstance(job_type, str):
        return job_type, None
    mark = mark_of(job_type)
    if not mark:
        return functions.JOB_TYPE, functions.path_of(job_type)
    if not mark.type_name:
        raise TypeError(f"{job_type} declares no Job Type: name the type.")
    return mark.type_name, None


@contextmanager
def trap_jobs() -> Iterator[Trap]:
    """Note the jobs that are submitted in this block. None of them runs in it.

    They are rows of the test's transaction, as always: a rollback removes them. `run_jobs` runs them after a commit.
    """
    trap = Trap()
    with _noting_new_rows("insert", trap._add):
        yield trap


# The transaction of a test --------------------------------------------------------------------------------------------


@contextmanager
def one_transaction() -> Iterator[None]:
    """In this block commits are savepoints, and rollbacks go back to the last one.

    Callbacks of commits are called all the same. The read of equal jobs on another connection stays within. Heartbeats
    and the doorbells of workers are left out.
    """
    database: Any = frappe.local.db
    run, commit = database.sql, database.commit
    of_rollback: list[Any] = []  # Frappe forgets these callbacks at a commit: they are for the test's own rollback

    def controlled(query: Any, *arguments: Any, **options: Any) -> Any:
        control = _savepoint_for(query)
        return run(query if control is None else control, *arguments, **options) if control != "" else ()

    def noting_commit(*arguments: Any, **options: Any) -> None:
        of_rollback.extend(one for one in database.after_rollback._functions if one not in of_rollback)
        commit(*arguments, **options)

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(database, "sql", controlled))
        patches.enter_context(mock.patch.object(database, "commit", noting_commit))
        patches.enter_context(mock.patch.object(sql, "rows_outside_transaction", lambda query: query.run(as_dict=True)))
        lost = TransactionLost("A job needs another database connection. Use run_jobs, which commits.")
        patches.enter_context(mock.patch.object(connection, "renew", side_effect=lost))
        patches.enter_context(mock.patch.object(HeartbeatThread, "hold"))
        patches.enter_context(mock.patch.object(doorbells, "ring", return_value=0))
        run(f"SAVEPOINT {SAVEPOINT}")
        try:
            yield
        finally:
            for callback in of_rollback:
                if callback not in database.after_rollback._functions:
                    database.after_rollback.add(callback)


def _savepoint_for(query: Any) -> str | None:
    """The statement in place of one that controls the transaction: "" for none, None for any other statement."""
    words = query[:40].lower().split() if isinstance(query, str) else []
    match words:
        case ["commit", *_]:
            return f"SAVEPOINT {SAVEPOINT}"
        case ["rollback"] | ["rollback", "and", "chain"]:
            return f"ROLLBACK TO SAVEPOINT {SAVEPOINT}"
        case ["start", "transaction", *_] | ["begin", *_]:
            return ""
    return None


# Handlers alone, failures and time ----------------------------------------------------------------------------------


def context_for(handler: Callable[..., Any] | str = "", **values: Any) -> JobContext:
    """A context to call a handler with, outside any job: `send(context_for(send), customer="Ann")`.

    `values`: attributes of JobContext that the handler reads, such as `organization`, `parameters`, `attempt`, `state`.
    A rollback deletes the files that it attaches.
    """
    mark = mark_of(handler)
    name = handler if isinstance(handler, str) else (mark and mark.type_name) or handler.__name__
    defaults = {"job_id": "JOB-TEST", "job_type": name, "organization": "", "parameters": {}, "timeout_seconds": 300}
    context = JobContext(**{**defaults, "attempt": 1, "owner_user": frappe.session.user, **values})
    frappe.db.after_rollback.add(context.files.drop)
    return context


@contextmanager
def fail_next(error: Exception, times: int = 1) -> Iterator[None]:
    """The next attempts in this block raise `error` in place of their handlers.

    `perform_jobs` makes attempts at the end of its own block: put that into this one. Raises AssertionError if fewer
    attempts were made.
    """
    left, call = [error] * times, parameters.call

    def failing(handler: Callable[..., Any], context: JobContext, text: str | None) -> Any:
        if left:
            raise left.pop()
        return call(handler, context, text)

    with mock.patch.object(parameters, "call", failing):
        yield
    if left:
        raise AssertionError(f"fail_next: {len(left)} of {times} attempts were not made in its block")


@contextmanager
def time_passed(seconds: float) -> Iterator[None]:
    """In this block the engine's clock is ahead by `seconds`: `run_jobs` runs retries and jobs that are due then."""
    now = clock.now_epoch
    with mock.patch.object(clock, "now_epoch", side_effect=lambda: now() + seconds):
        yield


class JobTests:
    """A mixin for test classes of Frappe and unittest: each test has the jobs that it submits in `self.jobs`."""

    jobs: Trap

    def setUp(self) -> None:
        """Trap the jobs of the test until its cleanup."""
        super().setUp()  # type: ignore[misc]
        trap = trap_jobs()
        self.jobs = trap.__enter__()
        self.addCleanup(trap.__exit__, None, None, None)  # type: ignore[attr-defined]
