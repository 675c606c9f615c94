"""Running attempts in RQ: stops one until it is gone."""

from __future__ import annotations

from typing import Any

import redis
from rq import Worker
from rq.command import send_command

from ..lib import clock
from . import redis_queue

STOPPING = "stopping-since"
STOPPING_SECONDS = 86_400  # no attempt lasts longer
STOP_AGAIN_AFTER = 5.0
"""Seconds in which a worker should have noticed a stop. A second stop, while RQ's worker clears up its work-horse,
makes it end its own process group: it takes the number 0, of no work-horse, for one."""


def stop_until_gone(rq_job_id: str) -> None:
    """Have RQ end the work-horse that runs under this entry. `stop_again` repeats that until it is gone.

    Does nothing if it is not running any more. Raises redis.exceptions.RedisError if Redis does not answer.
    """
    client, key = redis_queue.client(), redis_queue.site_key(STOPPING)
    if client.zadd(key, {rq_job_id: clock.now_epoch()}, nx=True):
        client.expire(key, STOPPING_SECONDS)
        _stop(rq_job_id, _workers_by_entry(client), client)


def stop_again() -> None:
    """Repeat the stop of attempts that still run by RQ's word: a command may get lost.

    Raises redis.exceptions.RedisError if Redis does not answer.
    """
    client, key, now = redis_queue.client(), redis_queue.site_key(STOPPING), clock.now_epoch()
    stopping: Any = client.zrange(key, 0, -1, withscores=True)
    workers = _workers_by_entry(client) if stopping else {}
    for entry, since in stopping:
        rq_job_id = entry.decode()
        if rq_job_id not in workers:
            client.zrem(key, rq_job_id)
        elif since <= now - STOP_AGAIN_AFTER:
            client.zadd(key, {rq_job_id: now})
            _stop(rq_job_id, workers, client)


def _workers_by_entry(client: redis.Redis) -> dict[str, str]:
    """RQ's ids of the entries that its workers run, of this site and others, with the worker of each.

    RQ's record of the job would not do: a second entry of the attempt, whose claim failed, may have removed it. Only
    busy workers count: an idle one may still name its last entry.
    """
    keys = Worker.all_keys(client)
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.hmget(key, ["state", "current_job"])
    workers = zip(keys, pipeline.execute(), strict=True)
    prefix = Worker.redis_worker_namespace_prefix
    return {made.decode(): key.removeprefix(prefix) for key, (state, made) in workers if state == b"busy" and made}


def _stop(rq_job_id: str, workers: dict[str, str], client: redis.Redis) -> None:
    if worker := workers.get(rq_job_id):
        send_command(client, worker, "stop-job", job_id=rq_job_id)
