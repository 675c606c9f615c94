"""RQ entries for jobs: the doorbell. All that is known of RQ is here, in `queue_look`, `rq_attempts` and
`rq_workers`.

Entries go to Frappe's own queues and call Frappe's own `execute_job`, so that any `bench worker` runs them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

import frappe
import redis
from frappe.utils import get_bench_id
from frappe.utils.background_jobs import create_job_id, generate_qname, get_queues_timeout
from rq import Callback, Queue
from rq.job import Job

from . import clock, ids

EXECUTE = "dartwing_core.jobs.executor.execute_job"
FAILURE_TTL = 24 * 3600
CONNECT_TIMEOUT = 0.5
ANSWER_TIMEOUT = 2.0
AWAY_SECONDS = 2.0
CLAIM_SECONDS = 20
T = TypeVar("T")
LIST_LIMIT = 5_000  # longer lists are not read whole to look for an entry

# A job of which RQ says one of these is waiting or running; of any other it has forgotten, or is done with, it.
PRESENT = frozenset({"queued", "started", "deferred", "scheduled"})


def client() -> redis.Redis:
    """A client for the queue's Redis that gives up soon; Frappe's own retries for 4 s inside the caller's request."""
    conf = frappe.conf
    if conf.get("redis_queue_sentinel_enabled"):
        from frappe.utils.background_jobs import get_redis_conn

        return get_redis_conn()
    return _client(conf.redis_queue, *_credentials())


def connection() -> redis.Redis:
    """A client for the queue's Redis, which has just answered.

    Raises redis.exceptions.RedisError if it does not.
    """
    asked = client()
    asked.ping()
    return asked


def answers() -> bool:
    """Whether the queue's Redis is there; after a "no" this process asks again only AWAY_SECONDS later."""
    return if_there(connection) is not None


def if_there(ask: Callable[[], T]) -> T | None:
    """What `ask` returns, or None if the queue's Redis is not there, or was not a moment ago."""
    global _away_until
    if time.monotonic() < _away_until:
        return None
    try:
        return ask()
    except redis.exceptions.RedisError:
        _away_until = time.monotonic() + AWAY_SECONDS
        return None


_away_until = 0.0


def push(
    jobs: Iterable[Mapping[str, Any]], client: redis.Redis, also: Callable[[redis.client.Pipeline], None] | None = None
) -> list[Any]:
    """Add an entry for the next attempt of each job, all in one round trip, with whatever `also` adds to it; returns
    Redis's answers, those to `also` at the end.

    `jobs` hold name, attempt, queue, priority and timeout_seconds. An entry with the same id is overwritten;
    ringing twice is harmless, since only one claim of an attempt succeeds.
    """
    by_queue: dict[str, list] = {}
    for job in jobs:
        by_queue.setdefault(job["queue"], []).append(job)
    if not by_queue and not also:
        return []
    pipeline = client.pipeline()
    for queue_name, members in by_queue.items():
        queue = Queue(generate_qname(queue_name), connection=client)
        pipeline.sadd(Queue.redis_queues_keys, queue.key)  # RQ 1.15's enqueue_many leaves this out
        for at_front, batch in _by_urgency(members):
            queue.enqueue_many([_entry(job, at_front) for job in batch], pipeline=pipeline)
    if also:
        also(pipeline)
    return pipeline.execute()


def missing(jobs: Sequence[Mapping[str, Any]], client: redis.Redis) -> list[Mapping[str, Any]]:
    """Those Queued jobs of which RQ has no entry that will still run.

    An entry that a worker took CLAIM_SECONDS ago, and whose job is Queued all the same, died with its worker
    before the claim; RQ itself would take a quarter of an hour to notice. One that says "queued" and is in no list
    died with its worker even earlier, or its list was lost.
    """
    queues = sorted({job["queue"] for job in jobs})
    ids_of_jobs = [rq_id(job["name"], job["attempt"] + 1) for job in jobs]
    pipeline = client.pipeline(transaction=False)
    for queue in queues:  # before the entries: what a worker takes meanwhile then says "started"
        pipeline.lrange(list_key(queue), 0, LIST_LIMIT)
    for rq_job_id in ids_of_jobs:
        pipeline.hmget(Job.key_for(rq_job_id), ["status", "started_at"])
    answers = pipeline.execute()
    listed = dict(zip(queues, map(_listed, answers), strict=False))
    entries = zip(jobs, ids_of_jobs, answers[len(queues) :], strict=True)
    return [job for job, rq_job_id, entry in entries if not _will_run(entry, rq_job_id, listed[job["queue"]])]


def _will_run(entry: Sequence[bytes | None], rq_job_id: str, listed: set[str] | None) -> bool:
    status, started_at = entry
    text = (status or b"").decode()
    if text == "started" and started_at:
        moment = datetime.fromisoformat(started_at.decode().replace("Z", "+00:00"))
        return clock.now_epoch() - moment.timestamp() < CLAIM_SECONDS
    if text == "queued" and listed is not None:
        return rq_job_id in listed
    return text in PRESENT


def _listed(entries: list[bytes]) -> set[str] | None:
    """The ids in a queue's list; None if there are too many to know them all."""
    return {entry.decode() for entry in entries} if len(entries) <= LIST_LIMIT else None


def list_key(queue: str) -> str:
    """Redis's key of the list of a queue's entries."""
    return Queue.redis_queue_namespace_prefix + generate_qname(queue)


def remove(places: Sequence[tuple[Mapping[str, Any], str]], client: redis.Redis) -> dict[str, str]:
    """Take the entries of the next attempt of Queued jobs out of RQ, and out of the lists of queues in which they may
    be; returns the queue in which one was, by the job's name."""
    pipeline = client.pipeline(transaction=False)
    for job, queue in places:
        pipeline.lrem(list_key(queue), 1, rq_id(job["name"], job["attempt"] + 1))
    for name, attempt in {(job["name"], job["attempt"]) for job, _queue in places}:
        pipeline.delete(Job.key_for(rq_id(name, attempt + 1)))
    answers = pipeline.execute()
    return {job["name"]: queue for (job, queue), number in zip(places, answers, strict=False) if number}


def without_taken(jobs: Sequence[Mapping[str, Any]], client: redis.Redis) -> Sequence[Mapping[str, Any]]:
    """Take the entries of jobs that were in another queue, `left`, out of its list; returns all jobs but those of which
    a worker has just taken the entry: it is not in the list, though RQ has it.

    One that RQ does not have was lost, or whoever queued the job has yet to push it; then there will be two entries, of
    which one claims the job.
    """
    lifted = [job for job in jobs if job.get("left")]
    if not lifted:
        return jobs
    pipeline = client.pipeline()  # both questions at one moment
    for job in lifted:
        rq_job_id = rq_id(job["name"], job["attempt"] + 1)
        pipeline.lrem(list_key(job["left"]), 1, rq_job_id)
        pipeline.exists(Job.key_for(rq_job_id))
    answers = pipeline.execute()
    taken = {
        job["name"]
        for job, was_listed, is_known in zip(lifted, answers[::2], answers[1::2], strict=True)
        if is_known and not was_listed
    }
    return [job for job in jobs if job["name"] not in taken]


def first_in(name: str, seconds: int, client: redis.Redis) -> bool:
    """Whether nobody of this site has asked under this name within the last `seconds`: for throttling."""
    return bool(client.set(site_key(name), 1, nx=True, ex=seconds))


def remember(name: str, value: str, client: redis.Redis) -> None:
    """Keep a note of this site for an hour; only what may be lost."""
    client.set(site_key(name), value, ex=3600)


def remembered(name: str, client: redis.Redis) -> str:
    """What was last kept under this name, or ""."""
    found: Any = client.get(site_key(name))
    return (found or b"").decode()


def site_key(name: str) -> str:
    return f"rq:dartwing_core:{frappe.conf.db_name}:{name}"  # the only prefix that Frappe's Redis users may write


def rq_id(job: str, attempt: int) -> str:
    """RQ's id of an attempt of this site; the separator differs between Frappe's versions."""
    return create_job_id(ids.run_name(job, attempt))


def queue_names() -> list[str]:
    """The queues that this bench's workers know."""
    return list(get_queues_timeout())


def _by_urgency(jobs: list) -> list[tuple[bool, list]]:
    """Critical jobs go to the front of their queue, in their order."""
    critical = [job for job in reversed(jobs) if job["priority"] == "Critical"]
    others = [job for job in jobs if job["priority"] != "Critical"]
    return [(at_front, batch) for at_front, batch in ((True, critical), (False, others)) if batch]


def _entry(job: Mapping[str, Any], at_front: bool):
    attempt = job["attempt"] + 1
    return Queue.prepare_data(
        "frappe.utils.background_jobs.execute_job",
        kwargs={
            "site": frappe.local.site,
            "user": "Administrator",
            "method": EXECUTE,
            "event": None,
            "job_name": EXECUTE,
            "is_async": True,
            "kwargs": {"background_job": job["name"], "attempt": attempt},
        },
        timeout=job["timeout_seconds"],
        result_ttl=0,
        failure_ttl=FAILURE_TTL,
        description=f"{job['name']}, attempt {attempt}",
        job_id=rq_id(job["name"], attempt),
        at_front=at_front,
        on_failure=Callback("frappe.utils.background_jobs.truncate_failed_registry"),
    )


@lru_cache
def _client(url: str, username: str | None, password: str | None) -> redis.Redis:
    """One client for a process: it keeps its connection from one sweep or submit to the next, and renews it."""
    return redis.Redis.from_url(
        url,
        username=username,
        password=password,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=ANSWER_TIMEOUT,
    )


def _credentials() -> tuple[str | None, str | None]:
    """User and password as `frappe.utils.background_jobs.get_redis_conn` takes them."""
    conf = frappe.conf
    if conf.get("use_rq_auth"):
        return conf.rq_username or get_bench_id(), conf.rq_password
    if password := os.environ.get("RQ_ADMIN_PASWORD"):  # Frappe's spelling
        return "default", password
    return None, None
