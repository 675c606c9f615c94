"""Redis, which may be away: clients that give up soon, notes of the site, counters, and entries for RQ.

All knowledge of RQ is here and in `doorbells`. Entries go to Frappe's own queues and call Frappe's
own `execute_job`, so that any `bench worker` runs them.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, TypeVar

import frappe
import redis
from frappe.utils import get_bench_id
from frappe.utils.background_jobs import create_job_id, generate_qname, get_queues_timeout, get_redis_conn
from rq import Callback, Queue, Worker
from rq.command import send_command
from rq.job import Job, JobStatus

from ..lib import config, ids
from ..lib.rows import RungJob

EXECUTE = "dartwing_core.jobs.executor.execute_job"
TIME_ZONE = "time_zone"  # of the site, in an entry's `meta`
FAILURE_TTL = 24 * 3600
CONNECT_TIMEOUT = 0.5
ANSWER_TIMEOUT = 2.0
AWAY_SECONDS = 2.0
STOP_SECONDS = 5
T = TypeVar("T")

# Read and count in one step: no two requests get one last place, and a refused request takes none.
_COUNT_WITHIN = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if used + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return math.max(redis.call('TTL', KEYS[1]), 1) end
redis.call('INCRBY', KEYS[1], ARGV[1])
if used == 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 0
"""


# Whether Redis is there ----------------------------------------------------------------------------------------------


availability = SimpleNamespace(away_until=0.0)
"""Until when this process does not call the queue's Redis, as `time.monotonic()`."""


def if_there(ask: Callable[[], T]) -> T | None:
    """The result of `ask`, or None if the queue's Redis is not there, or was not within the last AWAY_SECONDS."""
    if time.monotonic() < availability.away_until:
        return None
    try:
        return ask()
    except redis.exceptions.RedisError:
        availability.away_until = time.monotonic() + AWAY_SECONDS
        return None


def new_client(url: str, username: str | None = None, password: str | None = None) -> redis.Redis:
    """A client with connections of its own."""
    timeouts = {"socket_timeout": ANSWER_TIMEOUT}
    if not url.startswith("unix://"):  # a socket of the machine knows no other one in Frappe 15's redis-py
        timeouts["socket_connect_timeout"] = CONNECT_TIMEOUT
    return redis.Redis.from_url(url, username=username, password=password, **timeouts)


client_of = lru_cache(new_client)
"""One client for a process. It keeps its connection from one sweep or submit to the next, and renews it."""


def client(make: Callable[..., redis.Redis] = client_of) -> redis.Redis:
    """A client for the queue's Redis that gives up soon. Frappe's own retries for 4 s inside the caller's request."""
    conf = frappe.conf
    if conf.get("redis_queue_sentinel_enabled"):
        return get_redis_conn()
    user, password = None, None
    if conf.get("use_rq_auth"):
        user, password = conf.rq_username or get_bench_id(), conf.rq_password
    elif password := os.environ.get("RQ_ADMIN_PASSWORD"):  # Frappe's spelling
        user = "default"
    return make(conf.redis_queue, user, password)


# Notes of the site, and counters -------------------------------------------------------------------------------------


def site_key(name: str) -> str:
    """This site's Redis key for a name of the engine's."""
    return f"rq:dartwing_core:{frappe.conf.db_name}:{name}"  # the only prefix that Frappe's Redis users may write


def first_in(name: str, seconds: int) -> bool:
    """Whether this is the site's first call under this name within `seconds`: for throttling."""
    return bool(client().set(site_key(name), 1, nx=True, ex=seconds))


def keep_place(name: str, place: str) -> None:
    """Keep for an hour how far a sweep is in a list of names that is too long for it. "": at the beginning."""
    if_there(lambda: client().set(site_key(name), place, ex=3600))


def place(name: str) -> str:
    """The place that was last kept under this name. "" without one, or without Redis."""
    found: Any = if_there(lambda: client().get(site_key(name)))
    return (found or b"").decode()


def count_within(name: str, amount: int, limit: int, seconds: int) -> int:
    """Count `amount` under this name, and return 0. Beyond `limit`, count nothing and return the seconds to wait.

    The window of so many seconds begins with the first counted one. The counters are in the cache's Redis: nothing is
    counted or refused while it is away.
    """
    key = frappe.cache.make_key(f"dartwing_core:limit:{name}")
    try:
        return int(frappe.cache.eval(_COUNT_WITHIN, 1, key, amount, limit, seconds))
    except redis.exceptions.RedisError:
        return 0


# Queues and entries --------------------------------------------------------------------------------------------------


def queue_names() -> list[str]:
    """The queues that this bench's workers know."""
    return list(get_queues_timeout())


def name_in_redis(queue: str) -> str:
    """The name in RQ of a queue of this bench."""
    return str(generate_qname(queue))


def list_key(queue: str) -> str:
    """Redis's key of the list of a queue's entries."""
    return Queue.redis_queue_namespace_prefix + name_in_redis(queue)


def entry_prefix() -> str:
    """How RQ's ids of this site's entries begin."""
    return str(create_job_id("JOB-"))


def entry(queue: str, job: RungJob, client: redis.Redis) -> Job:
    """An entry that names the next attempt of a job, not saved yet. Later entries may name that attempt again."""
    attempt = job["attempt"] + 1
    made: Job = Queue(name_in_redis(queue), connection=client).create_job(
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
        meta={TIME_ZONE: config.time_zone()},
        job_id=create_job_id(f"{ids.run_name(job['name'], attempt)}-{secrets.token_hex(3)}"),
        on_failure=Callback("frappe.utils.background_jobs.truncate_failed_registry"),
        status=JobStatus.QUEUED,
    )
    made.enqueued_at = made.created_at
    return made


def cause_of_end(rq_job_id: str) -> str | None:
    """How the work-horse of this entry ended: "signal 9" or "exit code 1". None if RQ's worker has noted nothing."""
    result = Job(rq_job_id, connection=client()).latest_result()
    noted = re.search(r"waitpid returned (\d+)", result.exc_string or "") if result else None
    if not noted:
        return None
    code = os.waitstatus_to_exitcode(int(noted[1]))
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def stop(rq_job_id: str) -> None:
    """Have RQ end the work-horse that runs under this entry. Does nothing if none does, or if it was just told.

    Told again while it clears up, RQ's worker would end its own process group. RQ's record of the job would not do: a
    second entry of the attempt, whose claim failed, may have removed it. Only busy workers count: an idle one may still
    name its last entry. Raises redis.exceptions.RedisError.
    """
    connection = client()
    keys = Worker.all_keys(connection)
    pipeline = connection.pipeline(transaction=False)
    for key in keys:
        pipeline.hmget(key, ["state", "current_job"])
    for key, found in zip(keys, pipeline.execute(), strict=True):
        if found == [b"busy", rq_job_id.encode()] and first_in(f"stop-{rq_job_id}", STOP_SECONDS):
            name = key.removeprefix(Worker.redis_worker_namespace_prefix)
            send_command(connection, name, "stop-job", job_id=rq_job_id)
