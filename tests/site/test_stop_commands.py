"""A stop is sent once, and only to the worker that makes the attempt: RQ's worker would end itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from rq.command import PUBSUB_CHANNEL_TEMPLATE

from dartwing_core.jobs.rq import redis_queue
from tests.support import processes
from tests.support.waiting import until

WORKER = "test-worker"
ENTRY = "an-entry-of-nobody"


@pytest.fixture
def heard(site) -> Iterator[list]:
    """What a worker that says it makes the attempt is told."""
    client, key = processes.queue_client(), f"rq:worker:{WORKER}"
    client.delete(redis_queue.site_key(f"stop-{ENTRY}"))
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


def test_a_worker_is_told_once(heard):
    redis_queue.stop(ENTRY)
    redis_queue.stop(ENTRY)
    assert len(heard()) == 1, "it may be clearing up"


@pytest.mark.parametrize("now", [{"state": "idle"}, {"current_job": "another"}])
def test_a_worker_that_does_not_make_it_is_told_nothing(heard, now):
    # Seen failing: an idle worker that still named its last job was told.
    processes.queue_client().hset(f"rq:worker:{WORKER}", mapping=now)
    redis_queue.stop(ENTRY)
    assert heard() == []
