"""Asks each second whether a site of the bench is due, and rings for a worker, which checks it (`sweep/agent`).

It is a thread of Frappe's processes, also of those from which workers are forked. So it imports nothing, holds no lock
that a child could need, and calls nothing of Frappe's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Sequence

import redis
from rq import Queue, Worker
from rq.job import Job

from .due_sites import DueSites

INTERVAL = 1.0
CHECK = "dartwing_core.jobs.sweep.agent.check_due_sites"
CHECK_TIMEOUT = 300
FAILURE_TTL = 3600


class Ticker:
    """One process's part in the watch over a bench. `queues`: those of the bench, for when Redis knows no worker."""

    def __init__(self, sites: DueSites, queues: Sequence[str] = ()):
        self._sites, self._client, self._all_queues = sites, sites.client, queues
        self._me = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}"
        self._entry: Job | None = None
        self._turn = 0

    def run(self, stop: threading.Event) -> None:
        """Look each second, until `stop` is set. While Redis is away, nothing is due."""
        while not stop.wait(INTERVAL):
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                self.look()

    def look(self) -> None:
        """Ring if this process leads and a site is due. Raises redis.exceptions.RedisError."""
        if self._sites.lead(self._me):
            self._ring()

    def _ring(self) -> None:
        """Make an entry in front of a queue. One that no worker has taken since the last look goes to another queue."""
        # RQ's workers do not register again after a loss of all that Redis held.
        names, waiting = self._queues() or self._all_queues, self._entry
        if waiting and self._client.lrem(Queue.redis_queue_namespace_prefix + waiting.origin, 1, waiting.id):
            self._client.delete(waiting.key)
            self._turn += 1
        else:
            self._turn = 0
        if names:
            self._entry = Queue(names[self._turn % len(names)], connection=self._client).enqueue_call(
                CHECK,
                kwargs={"site": self._sites.bench},  # Frappe's lists ask each entry for it
                timeout=CHECK_TIMEOUT,
                result_ttl=0,
                failure_ttl=FAILURE_TTL,
                description="dartwing_core: check the sites that are due",
                job_id=f"dartwing_core-due-{secrets.token_hex(8)}",
                at_front=True,
            )

    def _queues(self) -> list[str]:
        """The first queue of each worker of this bench, those of idle workers in front."""
        pipeline = self._client.pipeline(transaction=False)
        for key in Worker.all_keys(self._client):
            pipeline.hmget(key, ["state", "queues"])
        firsts = [(state != b"idle", (queues or b"").decode().split(",")[0]) for state, queues in pipeline.execute()]
        own = sorted({first for first in firsts if first[1].startswith(f"{self._sites.bench}:")})
        return list(dict.fromkeys(name for _is_busy, name in own))
