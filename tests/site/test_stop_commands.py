"""A stop is repeated while a worker makes the attempt, and is sent to no other: RQ's worker would end itself."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator

import pytest
from rq.command import PUBSUB_CHANNEL_TEMPLATE

from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.rq import redis_queue, rq_attempts
from tests.support import processes
from tests.support.waiting import until

ENTRY, WORKER = "an-entry-of-nobody", "test-worker"


@pytest.fixture
def heard(site) -> Iterator[list]:
    """What a worker that says it makes the attempt is told."""
    client, key = processes.queue_client(), f"rq:worker:{WORKER}"
    client.sadd("rq:workers", key)
    client.hset(key, mapping={"state": "busy", "current_job": ENTRY})
    channel = client.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(PUBSUB_CHANNEL_TEMPLATE % WORKER)
    told: list = []

    def listen() -> list:
        ends = time.monotonic() + 0.5
        while time.monotonic() < ends:
            told.extend(filter(None, [channel.get_message(timeout=0.1)]))
        return told

    until(lambda: client.pubsub_numsub(PUBSUB_CHANNEL_TEMPLATE % WORKER)[0][1] == 1, 10, "the subscription")
    yield listen
    channel.close()


def stopping() -> list:
    return processes.queue_client().zrange(redis_queue.site_key(rq_attempts.STOPPING), 0, -1)


def test_a_worker_is_told_again_only_after_a_while(heard):
    rq_attempts.stop_until_gone(ENTRY)
    assert len(heard()) == 1
    rq_attempts.stop_until_gone(ENTRY)
    rq_attempts.stop_again()
    assert len(heard()) == 1, "it may be clearing up"
    since = clock.now_epoch() - rq_attempts.STOP_AGAIN_AFTER
    processes.queue_client().zadd(redis_queue.site_key(rq_attempts.STOPPING), {ENTRY: since})
    rq_attempts.stop_again()
    rq_attempts.stop_again()
    assert len(heard()) == 2


@pytest.mark.parametrize(
    ("now", "has_record"), [({"state": "idle"}, True), ({"state": "idle"}, False), ({"current_job": "another"}, True)]
)
def test_a_worker_that_does_not_make_it_is_told_nothing(heard, now, has_record):
    # Seen failing: an idle worker that still named its last job was told, and without a record all others were too.
    client = processes.queue_client()
    if has_record:
        record = {"status": "started", "worker_name": WORKER, "origin": "x", "data": zlib.compress(b"x")}
        client.hset("rq:job:" + ENTRY, mapping={**record, "created_at": "2026-01-01T00:00:00.000000Z"})
    client.hset(f"rq:worker:{WORKER}", mapping=now)
    rq_attempts.stop_until_gone(ENTRY)
    assert stopping()
    rq_attempts.stop_again()
    assert not stopping()
    assert heard() == []
