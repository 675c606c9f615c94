"""Tells the database that a process keeps its attempt alive, and the attempt that it should stop.

A daemon thread with a plain autocommit connection of its own renews the lease on the run row, from the commit that
starts the attempt to the end of its handler. It writes the latest progress there and reads the cancel flag. It touches
neither the handler's connection nor `frappe.local`, and runs no handler code. It serves all attempts of its process,
and costs one of under two seconds nothing. If the site is not swept, a second thread does that meanwhile
(`agent.stand_in`).

It beats each five seconds (a quarter of a shorter lease), and more often only while progress changes.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable
from typing import Any

from ..access import content
from ..job import events
from ..lib import clock, config, ids, sql
from ..lib.config import Settings
from ..lib.rows import Columns, OwnedJob
from ..lib.sql import STANDARD, standard_columns
from .context import JobContext

FIRST_BEAT = 2.0
LOOK_INTERVAL = 0.5
PROGRESS_INTERVAL = 1.5
LEASE_INTERVAL = 5.0
STOP_TIMEOUT = 5.0
SWEEP_TIMEOUT = 1.0
OVERDUE_SECONDS = 1.0
THREAD = "job-heartbeat"

_ONCE = (*STANDARD, "background_job", "attempt")
_EACH_TIME = (
    *("worker", "rq_job_id", "connection_id", "started_at"),
    *("progress", "progress_message", "steps", "sealed_log_lines"),
)
"""Columns written also to a row that is there already, unless its attempt has ended."""
_BEAT = f"""
    INSERT INTO `tabBackground Job Run` ({", ".join((*_ONCE, *_EACH_TIME))}, lease_expires_epoch)
    VALUES
        ({", ".join(f"%({column})s" for column in (*_ONCE, *_EACH_TIME))}, UNIX_TIMESTAMP() + %(lease_seconds)s)
    ON DUPLICATE KEY UPDATE
    """ + ", ".join(
    f"{column} = IF(outcome IS NULL, VALUES({column}), {column})"
    for column in ("modified", *_EACH_TIME, "lease_expires_epoch")
)
_READ_STATE = "SELECT cancel_requested, outcome FROM `tabBackground Job Run` WHERE name = %(name)s"
_KILL_QUERY = "KILL QUERY %(connection_id)s"


def beat_interval(settings: Settings) -> float:
    """Seconds between two beats, and so until a handler learns of a cancel."""
    return min(LEASE_INTERVAL, settings.lease_seconds / 4)


def cancel_grace(settings: Settings) -> float:
    """Seconds after a cancel at which an attempt is ended from outside. By then its handler has heard of it."""
    return settings.cancel_grace_seconds + beat_interval(settings)


class HeartbeatThread:
    """The thread that keeps alive the attempt which a process holds. It begins with the first."""

    def __init__(self, stand_in: Callable[[threading.Event], None]) -> None:
        """Needs a site. `stand_in`: sweeps it while this process is busy, in a thread, until the event is set."""
        self.wake = threading.Event()
        self.connection: Any = None
        self._sweep_context, self._sweep = contextvars.copy_context(), stand_in
        self._stand_in: threading.Thread | None = None
        self._lock = threading.Lock()
        self._current: Heartbeat | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, heartbeat: Heartbeat) -> None:
        """Beat for this attempt from now on."""
        heartbeat.begin(self)
        self._current = heartbeat
        if self._thread is None:
            self.connect = sql.connector()
            self._thread = threading.Thread(target=self._loop, name=THREAD, daemon=True)
            self._thread.start()

    def release(self) -> bool:
        """Stop beating. Returns whether no beat is under way any more."""
        is_free = self._lock.acquire(timeout=STOP_TIMEOUT)
        released, self._current = self._current, None
        if is_free:
            self._lock.release()
        if released:
            released.publish_last()
        return is_free

    def end(self) -> None:
        """End the thread."""
        self._stop.set()
        self.wake.set()
        if self._thread:
            self._thread.join(STOP_TIMEOUT)
        if self._stand_in:
            self._stand_in.join(SWEEP_TIMEOUT)

    def _loop(self) -> None:
        began = time.monotonic()
        while not self._stop.is_set():
            self.wake.wait(LOOK_INTERVAL)
            is_woken = self.wake.is_set()
            self.wake.clear()
            events.send_now()
            with self._lock:
                if self._current is not None:
                    self._current.beat_if_due(is_woken)
            if not self._stand_in and time.monotonic() - began >= FIRST_BEAT:  # most processes end before
                arguments = [self._sweep, self._stop]
                self._stand_in = threading.Thread(target=self._sweep_context.run, args=arguments, daemon=True)
                self._stand_in.start()
        self.close()

    def close(self) -> None:
        """Close the connection. The next beat opens another."""
        with contextlib.suppress(Exception):
            if self.connection is not None:
                self.connection.close()
        self.connection = None


class Heartbeat:
    """What one attempt tells by its beats, and learns by them."""

    def __init__(self, job: OwnedJob, context: JobContext, start: Columns, settings: Settings):
        """`start`: the columns of the attempt's row that its start decides."""
        self._context, self._start = context, start
        self.publisher = events.AttemptPublisher(job)
        self._clock = clock.site_clock()
        self._lease_seconds, self._lease_interval = settings.lease_seconds, beat_interval(settings)
        self._last_beat = 0.0
        self._seal = content.log_sealer()
        self._shown: tuple[Any, ...] = ()
        self._killed_query = self._is_settled = False

    def begin(self, heartbeat_thread: HeartbeatThread) -> None:
        """The process holds the attempt from now on, and this thread beats for it."""
        self._context.wake_heartbeat = heartbeat_thread.wake.set
        self._heartbeat_thread = heartbeat_thread
        self._began_at = time.monotonic()

    def publish_last(self) -> None:
        """Publish the progress that nobody was told of yet."""
        self.publisher.publish(self._progress(), is_last=True)

    def beat_if_due(self, is_woken: bool) -> None:
        """Beat if it is time, or if the handler has asked for it. Runs in the thread."""
        is_young = not self._last_beat and time.monotonic() - self._began_at < FIRST_BEAT
        if is_woken or (not is_young and self._is_time()):
            self._try_beat()
        self.publisher.publish(self._progress())

    def _is_time(self) -> bool:
        if self._is_settled:  # a beat would make the row of a deleted job anew
            return False
        since = time.monotonic() - self._last_beat
        if since >= self._lease_interval or self._is_overdue():
            return True
        return since >= PROGRESS_INTERVAL and self._shown != self._progress()

    def _try_beat(self) -> None:
        self._last_beat = time.monotonic()
        thread = self._heartbeat_thread
        try:
            thread.connection = thread.connection or thread.connect()
            with thread.connection.cursor() as cursor:
                self._beat(cursor)
        except Exception:
            thread.close()  # the next beat tries again; the lease outlasts several lost ones

    def _beat(self, cursor: Any) -> None:
        values = self._values()
        cursor.execute(_BEAT, values)
        cursor.execute(_READ_STATE, values)
        row = cursor.fetchone()
        if row and (row[0] or row[1]):
            # Asked to stop, or settled by another process while this worker was away.
            self._context.cancel_requested.set()
            self._is_settled = bool(row[1])
        if self._is_overdue():  # a driver in C ignores RQ's exception until the server answers
            self._killed_query = True
            cursor.execute(sql.UPTIME)
            if float(cursor.fetchone()[1]) >= time.monotonic() - self._began_at:  # else the number is another session's
                cursor.execute(_KILL_QUERY, self._start)

    def _is_overdue(self) -> bool:
        is_late = time.monotonic() - self._context.deadline >= OVERDUE_SECONDS
        return is_late and not self._killed_query and bool(self._start["connection_id"])

    def _progress(self) -> tuple[Any, ...]:
        progress = self._context.progress
        return progress.percent, progress.message, progress.steps_json(), self._context.lines.number

    def _values(self) -> Columns:
        self._shown = self._progress()
        percent, message, steps, _lines = self._shown
        run = ids.run_name(self._context.job_id, self._context.attempt)
        return standard_columns(run, config.ENGINE, self._clock()) | {
            **self._start,
            "progress": percent,
            "progress_message": message,
            "steps": steps,
            "sealed_log_lines": self._seal(self._context.lines.as_json()),
            "lease_seconds": self._lease_seconds,
        }
