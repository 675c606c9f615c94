"""RQ entries: they ring for a worker, and say nothing of the order.

A queue has as many entries of a site as workers could take, and one more in case a worker has died with one. It never
has more, however many jobs are in line. A worker that gets one claims the job whose turn it is (`claim`). That may be
another job than the one that the entry names.

Unanswered entries are noted beside the queue's list, and lost with it. An entry that died with its worker keeps a place
for some seconds, until a sweep finds it (`forget_lost`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import redis
from rq import Queue, Worker, get_current_job
from rq.job import Job
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from ..lib import clock
from ..lib.row_types import RungJob
from . import redis_queue

ANSWER_SECONDS = 20.0
"""An entry that a worker took so long ago, and that was not answered, died with its worker."""
LISTED_SECONDS = 2.0
"""An entry that is this old is in its list, or a worker has taken it out."""
KEPT_SECONDS = 86_400
ASK_SECONDS = 0.05
"""Seconds between two checks of a process whether to go on, at least."""
SHUTDOWN = "shutdown_requested_date"

_RING = """
local bells, list, workers, entry = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, now, at_front, kept = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local room = redis.call('SCARD', workers) + 1 - redis.call('ZCARD', bells)
if at_front == '0' and room < 1 then return 0 end
redis.call('SADD', KEYS[5], list)
redis.call('HSET', entry, unpack(ARGV, 5))
redis.call('ZADD', bells, now, id)
redis.call('EXPIRE', bells, kept)
if at_front == '1' then
    redis.call('LPUSH', list, id)
    return 1
end
-- Behind the first entry of another app that follows the last of ours: they and we take turns.
local pivot, is_behind_ours = nil, true
for _, other in ipairs(redis.call('LRANGE', list, 0, 2 * redis.call('ZCARD', bells))) do
    if redis.call('ZSCORE', bells, other) then
        pivot, is_behind_ours = nil, true
    elseif is_behind_ours then
        pivot, is_behind_ours = other, false
    end
end
if pivot then
    redis.call('LINSERT', list, 'AFTER', pivot, id)
else
    redis.call('RPUSH', list, id)
end
return room
"""


@dataclass(slots=True)
class Entry:
    """The RQ entry under which this process runs."""

    id: str
    timeout: float
    """Seconds after its start at which RQ ends the job that it names. RQ's parent kills the process later."""
    worker_key: str
    queue: str
    """The queue in whose list it was."""
    queues: tuple[str, ...]
    """The queues that the worker serves, in its order."""
    workers: int = 1
    """How many workers serve the queue of the entry."""
    is_worker_ending: bool = False
    """Whether the worker was asked to shut down: it finishes its job, and claims no other."""
    is_awaited: bool = False
    """Whether an entry of another app or site is among the next ones of a queue that the worker serves."""
    is_rung: bool = False
    """Whether there are unanswered entries of this site."""
    asked_at: float = 0.0
    """When these were read, as `time.monotonic()`."""

    def refresh(self) -> None:
        """Read whether the worker is ending and whether others wait for it, unless just read."""
        if time.monotonic() - self.asked_at >= ASK_SECONDS:
            self.refresh_now()

    def refresh_now(self) -> None:
        """Read it again, however recently it was read."""
        self.is_rung = False
        pipeline = redis_queue.client().pipeline(transaction=False)
        pipeline.hget(self.worker_key, SHUTDOWN)
        for queue in self.queues:
            pipeline.lrange(redis_queue.list_key(queue), 0, self.workers)  # this site has not more entries in front
            pipeline.zrange(bells_key(queue), 0, -1)
        answers = redis_queue.if_there(pipeline.execute)
        if answers is None:
            return
        self.asked_at = time.monotonic()
        shutdown, *by_queue = answers
        self.is_worker_ending = bool(shutdown)
        self.is_rung = any(by_queue[1::2])
        self.is_awaited = any(
            not set(first).issubset(ours) for first, ours in zip(by_queue[::2], by_queue[1::2], strict=True)
        )


def ring(jobs: Iterable[RungJob]) -> int:
    """Wake workers for the queues of these jobs in line. Returns how many entries were made.

    Each entry names one of the jobs and carries its time limit. Raises redis.exceptions.RedisError.
    """
    by_queue: dict[str, list[RungJob]] = {}
    for job in jobs:
        by_queue.setdefault(job["queue"], []).append(job)
    made = 0
    for queue, some in by_queue.items():
        for job in some:
            room = _ring(queue, job)
            made += room > 0
            if room <= 1:
                break
    return made


def ring_first(job: RungJob, queue: str) -> None:
    """Make an entry for this job that a worker takes next, even if there is no room.

    `queue`: the one whose entry the worker has just answered, not the job's. RQ empties the queues of a worker in their
    order, so that it would not come to the job's own while entries ring in an earlier one.
    Raises redis.exceptions.RedisError.
    """
    _ring(queue, job, at_front=True)


def _ring(queue: str, job: RungJob, at_front: bool = False) -> int:
    """Make an entry in this queue. Returns the room before it: 0 if there was none."""
    client = redis_queue.client()
    entry = redis_queue.entry(queue, job, client)
    keys = [bells_key(queue), redis_queue.list_key(queue), _workers_key(queue), Job.key_for(entry.id)]
    fields = [part for field, value in entry.to_dict().items() for part in (field, value)]
    arguments = [entry.id, clock.now_epoch(), int(at_front), KEPT_SECONDS, *fields]
    return int(_script()(keys=[*keys, Queue.redis_queues_keys], args=arguments, client=client))


def rooms(queues: Sequence[str]) -> dict[str, int]:
    """How many more entries each queue may have, in one round trip. Raises redis.exceptions.RedisError."""
    pipeline = redis_queue.client().pipeline(transaction=False)
    for queue in queues:
        pipeline.scard(_workers_key(queue))
        pipeline.zcard(bells_key(queue))
    answers = pipeline.execute()
    return {queue: answers[2 * place] + 1 - answers[2 * place + 1] for place, queue in enumerate(queues)}


def accept_entry() -> Entry | None:
    """Mark this process's entry as answered. None if it runs under none, as outside of workers."""
    rq_job = get_current_job()
    if rq_job is None:
        return None
    client = redis_queue.client()
    names = {redis_queue.name_in_redis(name): name for name in redis_queue.queue_names()}
    pipeline = client.pipeline(transaction=False)
    for queue in names.values():
        pipeline.zrem(bells_key(queue), rq_job.id)
    worker_key = f"{Worker.redis_worker_namespace_prefix}{rq_job.worker_name}"
    pipeline.scard(WORKERS_BY_QUEUE_KEY % rq_job.origin)
    pipeline.hmget(worker_key, ["queues", SHUTDOWN])
    *_rung, workers, (listens, shutdown) = pipeline.execute()
    served = (listens or b"").decode().split(",")
    queue = names.get(rq_job.origin, rq_job.origin)
    queues = tuple(names[name] for name in served if name in names) or (queue,)
    return Entry(
        rq_job.id,
        float(rq_job.timeout or 0),
        worker_key,
        queue,
        queues,
        workers=max(1, workers),
        is_worker_ending=bool(shutdown),
        asked_at=time.monotonic(),
    )


def forget_lost(queue: str) -> None:
    """Free the places of entries that died with their workers or were deleted. Raises redis.exceptions.RedisError."""
    client, key, now = redis_queue.client(), bells_key(queue), clock.now_epoch()
    old: Any = client.zrangebyscore(key, "-inf", now - LISTED_SECONDS)
    pipeline = client.pipeline(transaction=False)
    for entry in old:
        pipeline.lpos(redis_queue.list_key(queue), entry)
        pipeline.hmget(Job.key_for(entry.decode()), ["status", "started_at"])
    answers = pipeline.execute()
    lost = [
        entry
        for entry, place, (status, started_at) in zip(old, answers[::2], answers[1::2], strict=True)
        if status is None or (place is None and not _is_being_answered(status, started_at, now))
    ]
    if lost:
        client.zrem(key, *lost)


def _is_being_answered(status: bytes, started_at: bytes | None, now: float) -> bool:
    if status != b"started" or not started_at:
        return False  # taken out of its list for LISTED_SECONDS at most, and not begun
    moment = datetime.fromisoformat(started_at.decode().replace("Z", "+00:00"))
    return now - moment.timestamp() < ANSWER_SECONDS


def bells_key(queue: str) -> str:
    """Redis's key of a queue's unanswered entries, with the time at which each was made."""
    return redis_queue.site_key(f"bells:{queue}")


def workers(queues: Sequence[str]) -> dict[str, int]:
    """How many workers serve each queue. Raises redis.exceptions.RedisError."""
    pipeline = redis_queue.client().pipeline(transaction=False)
    for queue in queues:
        pipeline.scard(_workers_key(queue))
    return dict(zip(queues, pipeline.execute(), strict=True))


def _workers_key(queue: str) -> str:
    return WORKERS_BY_QUEUE_KEY % redis_queue.name_in_redis(queue)


@lru_cache
def _script() -> Any:
    return redis.Redis().register_script(_RING)
