"""RQ entries: they ring for a worker, and say nothing of the order.

A queue's list has as many entries of a site as workers could take, and one more in case a worker dies with one. It
never has more, however many jobs are in line. A worker that gets one claims the job whose turn it is (`claim`). That
may be another job than the one that the entry names.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import redis
from rq import Queue, Worker, get_current_job
from rq.job import Job
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from ..lib import best_effort, config, sql
from ..lib.rows import RungJob
from . import redis_queue

ASK_SECONDS = 0.05
"""Seconds between two checks of a process whether to go on, at least."""
SHUTDOWN = "shutdown_requested_date"

# Ours are among the first entries, also where many sites share a Redis: they and those of others take turns. So each of
# ours stands behind the first entry of another app or site that follows the last of ours.
_RING = """
local list, workers, entry = KEYS[1], KEYS[2], KEYS[3]
local id, prefix, at_front = ARGV[1], ARGV[2], ARGV[3]
local served = redis.call('SCARD', workers)
local ours, pivot, is_behind_ours = 0, nil, true
for _, other in ipairs(redis.call('LRANGE', list, 0, 999)) do
    if string.sub(other, 1, #prefix) == prefix then
        ours, pivot, is_behind_ours = ours + 1, nil, true
    elseif is_behind_ours then
        pivot, is_behind_ours = other, false
    end
end
local room = served + 1 - ours
if at_front == '0' and room < 1 then return 0 end
redis.call('SADD', KEYS[4], list)
redis.call('HSET', entry, unpack(ARGV, 4))
if at_front == '1' then
    redis.call('LPUSH', list, id)
elseif pivot then
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
    """Whether one of this site is among them."""
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
        answers = redis_queue.if_there(pipeline.execute)
        if answers is None:
            return
        self.asked_at = time.monotonic()
        shutdown, *lists = answers
        prefix = redis_queue.entry_prefix().encode()
        are_ours = [entry.startswith(prefix) for entries in lists for entry in entries]
        self.is_worker_ending = bool(shutdown)
        self.is_rung, self.is_awaited = any(are_ours), not all(are_ours)


def ring_after_commit(jobs: Sequence[RungJob]) -> None:
    """Wake workers for these jobs, which this transaction puts in line, once it is committed.

    While Redis is away or the queue is paused, this is left to the next sweep. A rollback to a savepoint may have
    undone it: a worker that finds no job only costs a fork.
    """
    if jobs:
        sql.after_any_commit(_ring_committed, jobs)


def _ring_committed(jobs: Sequence[RungJob]) -> None:
    best_effort.run(partial(redis_queue.if_there, partial(_ring_unpaused, jobs)))


def _ring_unpaused(jobs: Sequence[RungJob]) -> None:
    settings = config.settings()
    ring([job for job in jobs if not settings.pause_of(job["queue"])])


def ring(jobs: Collection[RungJob]) -> int:
    """Wake workers for the queues of these jobs in line. Returns how many entries were made.

    Each entry names one of the jobs and carries its time limit. Raises redis.exceptions.RedisError.
    """
    made = 0
    for queue in {job["queue"] for job in jobs}:
        for job in (job for job in jobs if job["queue"] == queue):
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
    workers_key = WORKERS_BY_QUEUE_KEY % redis_queue.name_in_redis(queue)
    keys = [redis_queue.list_key(queue), workers_key, Job.key_for(entry.id), Queue.redis_queues_keys]
    fields = [part for field, value in entry.to_dict().items() for part in (field, value)]
    arguments = [entry.id, redis_queue.entry_prefix(), int(at_front), *fields]
    return int(_script()(keys=keys, args=arguments, client=client))


def accept_entry() -> Entry | None:
    """The entry of this process. None if it runs under none, as outside of workers."""
    rq_job = get_current_job()
    if rq_job is None:
        return None
    client = redis_queue.client()
    names = {redis_queue.name_in_redis(name): name for name in redis_queue.queue_names()}
    pipeline = client.pipeline(transaction=False)
    worker_key = f"{Worker.redis_worker_namespace_prefix}{rq_job.worker_name}"
    pipeline.scard(WORKERS_BY_QUEUE_KEY % rq_job.origin)
    pipeline.hget(worker_key, "queues")
    workers, listens = pipeline.execute()
    served = (listens or b"").decode().split(",")
    queue = names.get(rq_job.origin, rq_job.origin)
    queues = tuple(names[name] for name in served if name in names) or (queue,)
    return Entry(rq_job.id, float(rq_job.timeout or 0), worker_key, queue, queues, max(1, workers))


def workers(queues: Sequence[str]) -> dict[str, int]:
    """How many workers serve each queue. Raises redis.exceptions.RedisError."""
    pipeline = redis_queue.client().pipeline(transaction=False)
    for queue in queues:
        pipeline.scard(WORKERS_BY_QUEUE_KEY % redis_queue.name_in_redis(queue))
    return dict(zip(queues, pipeline.execute(), strict=True))


@lru_cache
def _script() -> Any:
    return redis.Redis().register_script(_RING)
