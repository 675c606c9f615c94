"""Jobs of several priorities, and the entries of their queues.

Workers are keys in Redis here, as RQ registers them.
"""

from __future__ import annotations

from typing import Any, cast

import frappe
from frappe.model.document import Document
from frappe.utils.background_jobs import generate_qname

from dartwing_core.jobs.lib import clock, rows
from dartwing_core.jobs.rq import due_sites
from tests.support import database, processes
from tests.support.jobs import named, set_columns, submitted_with

ALL = ("short", "default", "long")


def serve(name: str, *queues: str) -> None:
    """As RQ's workers register themselves. The bench is watched, as where there are workers."""
    client, key = processes.queue_client(), f"rq:worker:{name}"
    client.set(due_sites.of_bench()._looked_at, clock.now_epoch())
    client.hset(key, "queues", ",".join(generate_qname(queue) for queue in queues))
    for queue in queues:
        client.sadd(f"rq:workers:{generate_qname(queue)}", key)


def one(job_type: str, priority: str) -> Document:
    """One job of Test Alpha, committed."""
    return submitted_with(job_type, priority=priority, parameters={"n": frappe.generate_hash()})


def age(job: Document, seconds: float) -> None:
    """Let the job have been due so long ago."""
    due = clock.now_epoch() - seconds
    rank = rows.rank(due, frappe.db.get_value("Background Job", job.name, "priority"))
    set_columns(job, available_at=clock.site_time(due), due_epoch=due, admission_rank=rank)


def listed(queue: str) -> list[str]:
    """The jobs that our entries in a queue's list name, from the first to the last."""
    entries = cast("list[bytes]", processes.queue_client().lrange(_list_of(queue), 0, -1))
    return [named(entry) for entry in entries if b"JOB-" in entry]


def take_out(queue: str) -> str:
    """The job that the next entry of a queue names; it is taken from its list, and nobody answers it."""
    return named(cast(bytes, processes.queue_client().lpop(_list_of(queue))))


def _list_of(queue: str) -> str:
    return f"rq:queue:{generate_qname(queue)}"


def column(job: Document | str, name: str = "queue") -> Any:
    """What the row says now."""
    job = job if isinstance(job, str) else job.name
    return database.value(f"SELECT `{name}` FROM `tabBackground Job` WHERE name = %s", job)
