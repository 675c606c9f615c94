"""Realtime events: committed changes go to the job's owner, and without texts to users who have the job open.

They go to the rooms of Frappe's socket.io server. Only users who may read a document may join its room. Best effort: a
client that misses an event reads the job's status. After a rollback to a savepoint, an event may name a change that the
job does not show.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import frappe
from frappe.realtime import get_doc_room, get_user_room

from ..access import standing, tenancy, visibility
from ..lib import clock, config, sql
from ..lib.rows import Columns, OwnedJob
from ..lib.server_errors import RedisError
from ..rq import redis_queue
from ..status import JobStatus

PROGRESS, STATUS_CHANGED = "job_progress", "job_status_changed"
CHANNEL = "events"  # of `frappe.realtime.emit_via_redis`, which would take a round trip for each message
PROGRESS_INTERVAL = 1.0
Step = Callable[[Any], Any]
_TOLD_WITH_STATUS = ("output_reference", "error_message")
_BRIEF = {"progress_message": None, "steps": None}
"""A job's own room hears no texts: somebody may still listen there who has left the organization since they joined."""


def announce(
    jobs: Iterable[OwnedJob], from_status: JobStatus, to_status: JobStatus, values: Columns, *, are_new: bool = False
) -> None:
    """Announce these jobs' change of status after the commit. `values`: the columns written with it.

    `are_new`: nobody has one of them open.
    """
    told = {key: values[key] for key in _TOLD_WITH_STATUS if values.get(key)}
    message = {"from_status": str(from_status), "to_status": str(to_status), **told}
    changes = [(job, {"job_id": job["name"], **message}) for job in jobs]
    if changes:
        add_to_pipeline(partial(_add_changes, changes, are_new))


def add_to_pipeline(step: Step) -> None:
    """Let `step` add commands to the pipeline of this transaction, after its commit. Dropped without Redis."""
    sql.after_any_commit(_send, [step])


def publish_to_user(user: str, event: str, message: Mapping[str, Any]) -> None:
    """Send a user an event, now."""
    room, site = get_user_room(user), frappe.local.site
    _send([lambda pipeline: _publish(pipeline, event, message, room, site)])


class AttemptPublisher:
    """Publishes an attempt's start and progress, for threads without a site: at most once a second, and the last one.

    The start of an attempt of less than half a second is published with its end: that saves it a round trip.
    """

    def __init__(self, job: OwnedJob):
        self._owner_room, self._job_room = get_user_room(job["owner_user"]), get_doc_room(config.JOB, job["name"])
        self._message = {"job_id": job["name"], "status": str(JobStatus.RUNNING)}
        self._start: dict[str, str] | None = {"from_status": str(JobStatus.QUEUED), "to_status": str(JobStatus.RUNNING)}
        self._site = frappe.local.site
        context = contextvars.copy_context()
        self._client: Callable[[], Any] = lambda: context.run(redis_queue.client)
        self._now = clock.iso_clock()
        self._told: tuple[Any, ...] = (0.0, "", None, 0)
        self._at = 0.0

    def publish(self, progress: tuple[float, str, str | None, int], is_last: bool = False) -> None:
        """Publish progress if it is news and not too soon after the last.

        `progress`: percent, message, steps as JSON, and the number of lines in the log.
        """
        is_soon = time.monotonic() - self._at < PROGRESS_INTERVAL
        if not is_last and self._start:
            with contextlib.suppress(RedisError):
                pipeline = self._client().pipeline(transaction=False)
                self.add_start(pipeline)
                pipeline.execute()
            return  # a form that hears of the start reads the job first: until then it takes no progress
        if progress == self._told or (is_soon and not is_last):
            return
        self._told, self._at = progress, time.monotonic()
        percent, text, steps, lines = progress
        message = self._message | {
            "progress": percent,
            "progress_message": text or None,
            "steps": json.loads(steps) if steps else None,
            "logged_lines": lines,
            "updated_at": self._now(),
        }
        with contextlib.suppress(RedisError):  # the next one, or the row, says it
            pipeline = self._client().pipeline(transaction=False)
            _publish(pipeline, PROGRESS, message, self._owner_room, self._site)
            _publish(pipeline, PROGRESS, message | _BRIEF, self._job_room, self._site)
            pipeline.execute()

    def add_start(self, pipeline: Any) -> None:
        """Add the start to a pipeline, unless it was published."""
        start, self._start = self._start, None
        for room in (self._job_room, self._owner_room) if start else ():
            message = {"job_id": self._message["job_id"], **(start or {}), "updated_at": self._now()}
            _publish(pipeline, STATUS_CHANGED, message, room, self._site)


def _add_changes(changes: Sequence[tuple[OwnedJob, dict[str, Any]]], are_new: bool, pipeline: Any) -> None:
    now, site = clock.iso_clock()(), frappe.local.site
    has_left: dict[tuple[str, str], bool] = {}
    for job, told in changes:
        owner, organization = job["owner_user"], job["organization"]
        message = told | {"updated_at": now}
        brief = {key: value for key, value in message.items() if key not in _TOLD_WITH_STATUS}
        if not are_new:
            _publish(pipeline, STATUS_CHANGED, brief, get_doc_room(config.JOB, job["name"]), site)
        if "output_reference" in message and tenancy.limits_of([organization])[organization].state != standing.ACTIVE:
            del message["output_reference"]  # results of a suspended organization are hidden
        if message != brief and (owner, organization) not in has_left:
            has_left[owner, organization] = not visibility.can_see(owner, owner, organization)
        if not has_left.get((owner, organization)):  # an owner who has left may still have a socket
            _publish(pipeline, STATUS_CHANGED, message, get_user_room(owner), site)


def _publish(pipeline: Any, event: str, message: Mapping[str, Any], room: str, site: str) -> None:
    payload = {"event": event, "message": message, "room": room, "namespace": site}
    pipeline.publish(CHANNEL, json.dumps(payload))


def _send(steps: Sequence[Step]) -> None:
    (_outbox or Outbox(delay=0)).add(steps)


class Outbox:
    """Messages that go in one round trip: those of a short job alone would cost it a tenth of its time."""

    def __init__(self, delay: float = 0.05):
        """`delay`: seconds from the first message until they are sent, if there is another one by then."""
        self._delay, self._since = delay, 0.0
        self._pipeline: Any = None
        self._lock = threading.Lock()

    def add(self, steps: Sequence[Step]) -> None:
        """Add the messages of these steps."""
        with self._lock:
            if self._pipeline is None:
                self._pipeline, self._since = redis_queue.client().pipeline(transaction=False), time.monotonic()
            for step in steps:
                step(self._pipeline)
        if time.monotonic() - self._since >= self._delay:
            self.send()

    def send(self) -> None:
        """Send all messages. Any thread may call it."""
        with self._lock:
            pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            redis_queue.if_there(pipeline.execute)


_outbox: Outbox | None = None


@contextlib.contextmanager
def gathering() -> Iterator[None]:
    """Gather the messages of this process while entered, until `send_now` or for a moment."""
    global _outbox
    _outbox = Outbox()
    try:
        yield
    finally:
        send_now()
        _outbox = None


def send_now() -> None:
    """Send what was gathered: no other message may come soon. Any thread may call it."""
    if _outbox:
        _outbox.send()
