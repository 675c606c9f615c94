"""The context of a handler: its job's data, and the ways to report progress and to learn that it should stop."""

from __future__ import annotations

import io
import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, repeat
from typing import IO, Any, NoReturn

import frappe

from ..errors import JobCanceledError, JobSnoozed
from ..job.job_files import AttemptFiles, JobFile
from ..lib import clock, config, sealing
from ..lib.texts import text_for_storage, without

MESSAGE_LENGTH = 500
KEY_LENGTH = 32
MAX_SNOOZE = 365 * 86_400.0


@dataclass
class Progress:
    """The latest progress of an attempt. The handler's thread writes it, and the heartbeat's reads it."""

    percent: float = 0.0
    message: str = ""
    names: tuple[str, ...] = ()
    """The names of the steps."""
    done: int = 0
    """How many of the steps are done."""

    @property
    def steps(self) -> list[dict[str, str]]:
        """The steps with their states."""
        states = chain(repeat("done", self.done), ["active"], repeat("pending"))
        return [{"name": name, "state": state} for name, state in zip(self.names, states, strict=False)]

    def steps_json(self) -> str | None:
        """The steps as stored on the run row."""
        return json.dumps(self.steps) if self.steps else None


MOST_LINES = 200
LINE_LENGTH = 500
LEVELS = {**{name: name for name in ("debug", "info", "warning", "error")}, "warn": "warning", "critical": "error"}
"""The level of a line, by the word that the handler says. Python's `logging` knows these words."""


class AttemptLog:
    """The newest lines of an attempt. The handler's threads add to them, and the heartbeat's reads them.

    `number`: how many lines there have been. Older ones than the newest MOST_LINES are dropped.
    """

    def __init__(self) -> None:
        self.number = 0
        self._lines: tuple[dict[str, str], ...] = ()  # replaced as a whole: another thread may read it
        self._now = clock.iso_clock()  # a thread of the handler's has no site to ask

    def add(self, text: str, level: Any) -> None:
        """Add a line, cut to LINE_LENGTH characters. An unknown level is "info"."""
        level = LEVELS.get(level.lower(), "info") if isinstance(level, str) else "info"
        line = {"logged_at": self._now(), "level": level, "text": text[:LINE_LENGTH]}
        self._lines = (*self._lines[1 - MOST_LINES :], line)
        self.number += 1

    def as_json(self) -> str | None:
        """The lines as stored on the run row. None without lines."""
        return json.dumps(self._lines) if self._lines else None


def current() -> JobContext | None:
    """The context of the job that runs in this process now, for functions that get none. None outside of jobs."""
    return getattr(frappe.local, config.ATTEMPT, None)


@dataclass(kw_only=True, eq=False, repr=False)
class JobContext:
    """The only argument of a job handler.

    `attempt` counts from 1. `state` is what an earlier attempt left by `checkpoint`, or None. `reference` is DocType
    and name of the document that the job is about, or None. `batch_id` is the Job Batch of a member or callback, or
    None. `time_zone` is the owner's. Frappe itself computes in the site's time zone, whoever the user is.
    """

    job_id: str
    job_type: str
    organization: str
    owner_user: str
    parameters: dict[str, Any]
    timeout_seconds: int
    attempt: int
    time_zone: str = "UTC"
    batch_id: str | None = None
    reference: tuple[str, str] | None = None
    state: Any = None
    deadline: float = field(init=False)
    """The end of the time limit, in seconds of `time.monotonic()`."""
    progress: Progress = field(default_factory=Progress)
    lines: AttemptLog = field(default_factory=AttemptLog)
    secrets: tuple[str, ...] = ()
    """No text that the attempt leaves may hold these."""
    files: AttemptFiles = field(init=False)
    cancel_requested: threading.Event = field(default_factory=threading.Event)
    wake_heartbeat: Callable[[], None] = lambda: None
    load_parent_results: Callable[[], Mapping[str, Any]] = dict
    save_checkpoint: Callable[[Any], None] = lambda _data: None

    def __post_init__(self) -> None:
        self.parameters = dict(self.parameters)
        self.begin()
        self.files = AttemptFiles(self.job_id, self.attempt)
        self._thread, self._site = threading.get_ident(), copy_context()

    def _check_thread(self, called: str) -> None:
        if threading.get_ident() != self._thread:
            raise RuntimeError(f"{called}: call it in the handler's own thread.")

    def begin(self) -> None:
        """The time of the attempt runs from now on."""
        self.deadline = time.monotonic() + self.timeout_seconds

    @property
    def idempotency_key(self) -> str:
        """A key that is equal for all attempts of the job. Hand it to systems outside the database, which may see
        a job's work more than once. It does not tell the job's id.
        """
        of_site = self._site.copy()  # a thread of the handler's has no site, and only one thread may enter a context
        return of_site.run(sealing.fingerprint, f"attempts of {self.job_id}")[:KEY_LENGTH]

    @cached_property
    def parent_results(self) -> Mapping[str, Any]:
        """The results of the jobs on which this one depends, by their ids, and by their keys if they have one.

        Only of completed jobs. All are read in one query, at the first access.
        """
        self._check_thread("parent_results")
        return self.load_parent_results()

    def _shown(self, value: Any) -> str:
        return without(shown(value), self.secrets)

    def remaining_seconds(self) -> float:
        """Seconds until the time limit; never below 0."""
        return max(0.0, self.deadline - time.monotonic())

    def is_canceled(self) -> bool:
        """Whether somebody asked this job to stop. True within about five seconds of the request."""
        return self.cancel_requested.is_set()

    def update_progress(self, percent: float, message: str | None = None, force: bool = False) -> None:
        """Report progress, `percent` cut to 0–100.

        Costs no SQL: others see it within about two seconds, at once with `force`.
        Raises JobCanceledError once the job is canceled, TypeError if `percent` is no number.
        """
        if self.is_canceled():
            raise JobCanceledError("The job was canceled.")
        try:
            number = float(percent)
        except (TypeError, ValueError, OverflowError):
            raise TypeError(f"update_progress: percent is a number from 0 to 100, not {percent!r:.80}") from None
        self.progress.percent = 0.0 if math.isnan(number) else min(100.0, max(0.0, number))
        if message is not None:
            self.progress.message = self._shown(message)[:MESSAGE_LENGTH]
        if force:
            self.wake_heartbeat()

    def set_steps(self, steps: Iterable[str]) -> None:
        """Name the steps of the work; the first one is active now. Shown beside the progress."""
        names = [self._shown(step)[:MESSAGE_LENGTH] for step in steps] if isinstance(steps, Iterable) else []
        self.progress.names, self.progress.done = tuple(names), 0

    def next_step(self) -> None:
        """The active step is done, the next one begins. Raises ValueError if `set_steps` has named none."""
        if not self.progress.names:
            raise ValueError("next_step: name the steps first, by set_steps")
        self.progress.done += 1

    def log(self, text: Any, level: str = "info") -> None:
        """Add a line to this attempt's log. `level`: debug, info, warning or error.

        All who may see the job read it. Once the job is completed, only who may see its result does.
        Costs no SQL and can't fail the job: others see it within about two seconds. The newest 200 lines are kept, each
        cut to 500 characters. They stay with the attempt, however it ends.
        """
        self.lines.add(self._shown(text), level)

    def checkpoint(self, data: Any) -> None:
        """Commit the work done so far together with `data`, which the next attempt finds as `context.state`.

        Later writes are rolled back if the attempt fails. Raises JobCanceledError if the job is canceled
        or was given to another worker, PermanentError if `data` has no JSON form.
        """
        self._check_thread("checkpoint")
        if self.is_canceled():
            raise JobCanceledError("The job was canceled.")
        self.save_checkpoint(data)
        self.state = data

    def attach(self, content: bytes | str | IO[bytes], name: str) -> JobFile:
        """Store a private file of this job, called `name`. Returns its `name`, `size` in bytes and `file_url`.

        `content` is text, bytes, or a file that is open for reading bytes. Users who may see the job's result may
        download the file. A handler that returns its `file_url` as `output_reference` shows it as the outcome.
        If the attempt fails, the file goes, unless a checkpoint has kept it. It also goes with the job. The name loses
        slashes, control characters and what is beyond 200 bytes. A second `a.txt` of an attempt is `a-2.txt`.
        """
        self._check_thread("attach")
        if isinstance(content, str):
            content = content.encode()
        if not isinstance(content, bytes) and not hasattr(content, "read"):
            raise TypeError(f"attach: content is text, bytes or an open file, not {type(content).__name__}")
        if not isinstance(name, str):
            raise TypeError(f"attach: name is text, not {type(name).__name__}; the content comes first")
        return self.files.add(io.BytesIO(content) if isinstance(content, bytes) else content, self._shown(name))

    def snooze(self, seconds: float) -> NoReturn:
        """End this attempt and run the job again in `seconds`, at most a year; costs no retry.

        All writes since the last checkpoint are rolled back. Raises ValueError if `seconds` is negative or no number.
        """
        delay = float(seconds)
        if not delay >= 0:  # nor is a NaN
            raise ValueError(f"snooze: seconds must be 0 or more, not {seconds}")
        raise JobSnoozed(min(delay, MAX_SNOOZE))


def shown(value: Any) -> str:
    """The value's text, or the name of its type if it has none. Never raises."""
    try:
        return text_for_storage(value)
    except Exception:
        return type(value).__name__
