"""RQ entries: they ring for a worker, and say nothing of the order.

A queue's list has as many entries of a site as workers could take, and one more in case a worker dies with one. It
never has more, however many jobs are in line. A worker that gets one claims the job whose turn it is (`claim`). That
may be another job than the one that the entry names.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import frappe
import redis
from rq import Queue, Worker, get_current_job
from rq.job import Job
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from ..lib import config, sql
from ..lib.rows import RungJob
from . import due_sites, redis_queue

ASK_SECONDS = 0.05
"""Seconds between two checks of a process whether to go on, at least."""
SHUTDOWN = "shutdown_requested_date"
WAY_SECONDS = 5
"""For so long a site's entries go behind one that waits in a later queue, if no worker takes that."""
MOST_READ = 20  # entries of each queue, as many as a process assumes workers at most

# An entry also notes that the site is to be checked soon: its worker may be lost (`due_sites`).
# Ours are among the first entries, also where many sites share a Redis: they and those of others take turns. So each of
# ours stands behind the first entry of another app or site that follows the last of ours. While the queue gives way to
# an entry that is the first of a later list, ours go there.
_RING = """
local list, workers, entry = KEYS[1], KEYS[2], KEYS[3]
local id, prefix, at_front = ARGV[1], ARGV[2], ARGV[3]
local later, first = unpack(redis.call('HMGET', KEYS[5], 'list', 'first'))
local gives_way = later and redis.call('LINDEX', later, 0) == first
if gives_way then list = later end
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
redis.call('HSET', entry, unpack(ARGV, 6))
local time = redis.call('TIME')
local look_at = time[1] + time[2] / 1000000 + ARGV[5]
if tonumber(redis.call('ZSCORE', KEYS[6], ARGV[4]) or math.huge) > look_at then
    redis.call('ZADD', KEYS[6], look_at, ARGV[4])
end
if at_front == '1' then pivot = gives_way and first end
if pivot then
    redis.call('LINSERT', list, 'AFTER', pivot, id)
elseif at_front == '1' then
    redis.call('LPUSH', list, id)
else
    redis.call('RPUSH', list, id)
end
return room
"""


@dataclass(slots=True)
class Entry:
    """The RQ entry under which this process runs, and what Redis knows of its worker and queues."""

    id: str
    timeout: float
    """Seconds after its start at which RQ ends it. RQ's parent kills the process later."""
    worker_key: str
    queue: str
    """The queue in whose list it was."""
    queues: tuple[str, ...]
    """The queues that the worker serves, in its order. That of the entry alone until they were read."""
    workers: int = 1
    """How many workers serve the queue of the entry."""
    is_worker_ending: bool = False
    """Whether the worker was asked to shut down: it finishes its job, and claims no other."""
    is_awaited: bool = False
    """Whether an entry of another app or site may be the worker's next: it is in this queue or an earlier one."""
    behind: str = ""
    """The first later queue in which one of another app or site waits. RQ comes there once the earlier are empty."""
    is_rung: bool = False
    """Whether an entry of this site is among the next ones."""
    asked_at: float = 0.0
    """When these were read, as `time.monotonic()`."""

    def refresh(self) -> None:
        """Read them, unless just read."""
        if time.monotonic() - self.asked_at >= ASK_SECONDS:
            self.refresh_now()

    def refresh_now(self) -> None:
        """Read them, however recently that was. They stay as they are while Redis is away."""
        self.is_rung = False
        names, pipeline = redis_queue.queue_names(), redis_queue.client().pipeline(transaction=False)
        pipeline.hmget(self.worker_key, [SHUTDOWN, "queues"])
        pipeline.scard(WORKERS_BY_QUEUE_KEY % redis_queue.name_in_redis(self.queue))
        for name in names:
            pipeline.lrange(redis_queue.list_key(name), 0, MOST_READ)
        answers = redis_queue.if_there(pipeline.execute)
        if answers is None:
            return
        self.asked_at = time.monotonic()
        (shutdown, served), workers, *lists = answers
        self.is_worker_ending, self.workers = bool(shutdown), max(1, workers)
        by_name = {redis_queue.name_in_redis(name): name for name in names}
        self.queues = tuple(by_name[name] for name in (served or b"").decode().split(",") if name in by_name)
        self.queues = self.queues or (self.queue,)
        self._note(dict(zip(names, lists, strict=True)))

    def _note(self, lists: Mapping[str, Sequence[bytes]]) -> None:
        prefix = redis_queue.entry_prefix().encode()
        # This site has not more entries in front than there are workers.
        are_ours = [[one.startswith(prefix) for one in lists[name][: self.workers + 1]] for name in self.queues]
        own = self.queues.index(self.queue) + 1 if self.queue in self.queues else len(self.queues)
        self.is_rung, self.is_awaited = any(map(any, are_ours)), not all(map(all, are_ours[:own]))
        later = zip(self.queues[own:], are_ours[own:], strict=True)
        self.behind = next((name for name, entries in later if not all(entries)), "")


def ring_after_commit(jobs: Sequence[RungJob]) -> None:
    """Wake workers for these jobs, which this transaction puts in line, once it is committed.

    While Redis is away or the queue is paused, this is left to the next sweep. A rollback to a savepoint may have
    undone it: a worker that finds no job only costs a fork.
    """
    if jobs:
        sql.after_any_commit(_ring_committed, jobs)


def _ring_committed(jobs: Sequence[RungJob]) -> None:
    sql.best_effort(partial(redis_queue.if_there, partial(_ring_unpaused, jobs)))


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
    keys = [redis_queue.list_key(queue), workers_key, Job.key_for(entry.id), Queue.redis_queues_keys, _way_key(queue)]
    keys.append(due_sites.of_bench().key)
    fields = [part for field, value in entry.to_dict().items() for part in (field, value)]
    site = (frappe.local.site, due_sites.AFTER_BELL)
    arguments = [entry.id, redis_queue.entry_prefix(), int(at_front), *site, *fields]
    return int(_script()(keys=keys, args=arguments, client=client))


def give_way(entry: Entry) -> None:
    """Let the worker of this entry come to the later queue in which an entry of another app or site waits.

    RQ comes to a queue only when the earlier ones are empty. So this site's entries leave those, and until a worker has
    taken the one that waits, new ones go behind it. Then ring for the line. Raises redis.exceptions.RedisError.
    """
    earlier, client = entry.queues[: entry.queues.index(entry.behind)], redis_queue.client()
    _remove_entries(entry.behind)  # those in front
    later = redis_queue.list_key(entry.behind)
    if first := client.lindex(later, 0):
        for queue in earlier:
            client.hset(_way_key(queue), mapping={"list": later, "first": first})
            client.expire(_way_key(queue), WAY_SECONDS)
            _remove_entries(queue)


def _remove_entries(queue: str) -> None:
    """Remove this site's entries from a queue."""
    client, prefix, key = redis_queue.client(), redis_queue.entry_prefix().encode(), redis_queue.list_key(queue)
    waiting: Any = client.lrange(key, 0, -1)
    for one in waiting:
        if one.startswith(prefix) and client.lrem(key, 1, one):
            client.delete(Job.key_for(one.decode()))


def _way_key(queue: str) -> str:
    """Redis's key of the entry to which a queue gives way: its `list`, and its id, which is the `first` there."""
    return redis_queue.site_key(f"way:{queue}")


def accept_entry() -> Entry | None:
    """The entry of this process. None if it runs under none, as outside of workers."""
    rq_job = get_current_job()
    if rq_job is None:
        return None
    config.hint_time_zone(rq_job.meta.get(redis_queue.TIME_ZONE))
    names = {redis_queue.name_in_redis(name): name for name in redis_queue.queue_names()}
    worker_key = f"{Worker.redis_worker_namespace_prefix}{rq_job.worker_name}"
    queue = names.get(rq_job.origin, rq_job.origin)
    return Entry(rq_job.id, float(rq_job.timeout or 0), worker_key, queue, (queue,))


def workers(queues: Sequence[str]) -> dict[str, int]:
    """How many workers serve each queue. Raises redis.exceptions.RedisError."""
    pipeline = redis_queue.client().pipeline(transaction=False)
    for queue in queues:
        pipeline.scard(WORKERS_BY_QUEUE_KEY % redis_queue.name_in_redis(queue))
    return dict(zip(queues, pipeline.execute(), strict=True))


@lru_cache
def _script() -> Any:
    return redis.Redis().register_script(_RING)
