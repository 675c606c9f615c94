"""The queue's Redis, and entries for RQ. All knowledge of RQ is here, in `doorbells` and in `rq_attempts`.

Entries go to Frappe's own queues and call Frappe's own `execute_job`, so that any `bench worker` runs them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import frappe
import redis
from frappe.utils import get_bench_id
from frappe.utils.background_jobs import create_job_id, generate_qname, get_queues_timeout
from rq import Callback, Queue
from rq.job import Job, JobStatus

from ..lib import ids
from ..lib.row_types import RungJob
from .redis_server import Availability, client_of

EXECUTE = "dartwing_core.jobs.executor.execute_job"
FAILURE_TTL = 24 * 3600
T = TypeVar("T")
availability = Availability()


def client() -> redis.Redis:
    """A client for the queue's Redis that gives up soon. Frappe's own retries for 4 s inside the caller's request."""
    conf = frappe.conf
    if conf.get("redis_queue_sentinel_enabled"):
        from frappe.utils.background_jobs import get_redis_conn

        return get_redis_conn()
    return client_of(conf.redis_queue, *_credentials())


def connection() -> redis.Redis:
    """A client for the queue's Redis, which has just answered.

    Raises redis.exceptions.RedisError if it does not.
    """
    asked = client()
    asked.ping()
    return asked


def answers() -> bool:
    """Whether the queue's Redis is there. After a "no" this process waits a moment before it tries again."""
    return if_there(connection) is not None


def if_there(ask: Callable[[], T]) -> T | None:
    """The result of `ask`, or None if the queue's Redis is not there, or was not a moment ago."""
    return availability.if_there(ask)


def list_key(queue: str) -> str:
    """Redis's key of the list of a queue's entries."""
    return Queue.redis_queue_namespace_prefix + name_in_redis(queue)


def name_in_redis(queue: str) -> str:
    """The name in RQ of a queue of this bench."""
    return _name_in_redis(frappe.conf.get("bench_id"), queue)


@lru_cache
def _name_in_redis(_bench_id: str | None, queue: str) -> str:
    return str(generate_qname(queue))  # it looks for the bench's folder on the disk


def first_in(name: str, seconds: int, client: redis.Redis) -> bool:
    """Whether this is the site's first call under this name within `seconds`: for throttling."""
    return bool(client.set(site_key(name), 1, nx=True, ex=seconds))


def remember(name: str, value: str, client: redis.Redis) -> None:
    """Keep a note of this site for an hour. Only for values that may be lost."""
    client.set(site_key(name), value, ex=3600)


def remembered(name: str, client: redis.Redis) -> str:
    """The value that was last kept under this name, or ""."""
    found: Any = client.get(site_key(name))
    return (found or b"").decode()


def site_key(name: str) -> str:
    """This site's Redis key for a name of the engine's."""
    return f"rq:dartwing_core:{frappe.conf.db_name}:{name}"  # the only prefix that Frappe's Redis users may write


def queue_names() -> list[str]:
    """The queues that this bench's workers know."""
    return list(get_queues_timeout())


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
        job_id=create_job_id(f"{ids.run_name(job['name'], attempt)}-{secrets.token_hex(3)}"),
        on_failure=Callback("frappe.utils.background_jobs.truncate_failed_registry"),
        status=JobStatus.QUEUED,
    )
    made.enqueued_at = made.created_at
    return made


def _credentials() -> tuple[str | None, str | None]:
    """User and password as `frappe.utils.background_jobs.get_redis_conn` takes them."""
    conf = frappe.conf
    if conf.get("use_rq_auth"):
        return conf.rq_username or get_bench_id(), conf.rq_password
    if password := os.environ.get("RQ_ADMIN_PASWORD"):  # Frappe's spelling
        return "default", password
    return None, None
