"""Tells the database that an attempt is alive, and the attempt what the database knows.

A daemon thread with a plain autocommit connection of its own: it renews the lease on the run row, writes the
latest progress there and reads the cancel flag. It touches neither the handler's connection nor `frappe.local`,
runs no handler code, and costs an attempt of under two seconds nothing but the thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from . import clock, config, sql
from .context import JobContext

FIRST_BEAT = 2.0
INTERVAL = 2.0
STOP_TIMEOUT = 5.0
OVERDUE_SECONDS = 1.0

_BEGIN = """
    INSERT INTO `tabBackground Job Run`
        (name, creation, modified, owner, modified_by, docstatus, idx, background_job, attempt, worker, rq_job_id,
         connection_id, started_at, cancel_requested, progress, progress_message, steps, lease_expires_epoch)
    VALUES
        (%(name)s, %(now)s, %(now)s, 'Administrator', 'Administrator', 0, 0, %(background_job)s, %(attempt)s,
         %(worker)s, %(rq_job_id)s, %(connection_id)s, %(started_at)s, 0, %(progress)s, %(progress_message)s,
         %(steps)s, %(lease)s)
    ON DUPLICATE KEY UPDATE
        modified = %(now)s, worker = %(worker)s, rq_job_id = %(rq_job_id)s, connection_id = %(connection_id)s,
        started_at = %(started_at)s, progress = %(progress)s, progress_message = %(progress_message)s,
        steps = %(steps)s, lease_expires_epoch = %(lease)s
"""
_BEAT = """
    UPDATE `tabBackground Job Run`
    SET modified = %(now)s, progress = %(progress)s, progress_message = %(progress_message)s, steps = %(steps)s,
        lease_expires_epoch = %(lease)s
    WHERE name = %(name)s AND cancel_requested = %(canceled)s AND outcome IS NULL
"""
_READ_STATE = "SELECT cancel_requested, outcome FROM `tabBackground Job Run` WHERE name = %(name)s"
_KILL_QUERY = "KILL QUERY %(connection_id)s"


class Heartbeat:
    """Beats for one attempt between `start` and `stop`."""

    def __init__(self, context: JobContext, run: Mapping[str, Any]):
        self.began = False
        """Whether the run row exists by our hand."""
        self._context = context
        self._run = dict(run)
        self._connect = sql.connector()
        self._clock = clock.site_clock()
        self._lease_seconds = config.settings().lease_seconds
        self._connection: Any = None
        self._wake = threading.Event()
        self._stopping = False
        self._killed_query = False
        self._thread = threading.Thread(target=self._loop, name="job-heartbeat", daemon=True)

    def start(self) -> None:
        self._context.wake_heartbeat = self._wake.set
        self._thread.start()

    def stop(self) -> None:
        """End the thread; when this returns, no beat follows."""
        self._stopping = True
        self._wake.set()
        self._thread.join(STOP_TIMEOUT)

    def _loop(self) -> None:
        self._wake.wait(FIRST_BEAT)
        while not self._stopping:
            self._wake.clear()
            self._try_beat()
            self._wake.wait(INTERVAL)
        if self._connection is not None:
            self._quietly(self._connection.close)

    def _try_beat(self) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._beat()
            self._end_overdue_query()
        except Exception:
            # The next beat tries again; the lease outlasts several lost ones.
            if self._connection is not None:
                self._quietly(self._connection.close)
            self._connection = None

    def _beat(self) -> None:
        values = self._values()
        with self._connection.cursor() as cursor:
            if self.began:
                cursor.execute(_BEAT, values)
                if cursor.rowcount:
                    return
            else:
                cursor.execute(_BEGIN, values)
                self.began = True
            cursor.execute(_READ_STATE, values)
            row = cursor.fetchone()
            if row and (row[0] or row[1]):
                # Asked to stop, or settled by somebody else while this worker was away.
                self._context.cancel_requested.set()

    def _end_overdue_query(self) -> None:
        """A driver in C is deaf to RQ's exception until the server answers: past the time limit the query is ended."""
        overdue = time.monotonic() - self._context.deadline
        if self._killed_query or overdue < OVERDUE_SECONDS or not self._run["connection_id"]:
            return
        self._killed_query = True
        with self._connection.cursor() as cursor:
            cursor.execute(_KILL_QUERY, self._run)

    def _values(self) -> dict[str, Any]:
        progress = self._context.progress
        return self._run | {
            "now": self._clock(),
            "canceled": int(self._context.is_canceled()),
            "progress": progress.percent,
            "progress_message": progress.message,
            "steps": progress.steps_json(),
            "lease": clock.now_epoch() + self._lease_seconds,
        }

    def _quietly(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except Exception:
            self._connection = None
