"""Jobs of several priorities, and the entries of their queues.

Workers are keys in Redis here, as RQ registers them.
"""

from __future__ import annotations

import frappe
from frappe.utils.background_jobs import generate_qname

from dartwing_core.jobs import clock, config, executor, submit_jobs
from tests.support import database, factory, processes
from tests.support.jobs import set_columns, status

ALL = ("short", "default", "long")
DAY = 86_400


def type_of(name: str, function: str = "nothing", **values) -> str:
    """A committed Job Type."""
    name = factory.job_type(name, function, **values)
    frappe.db.commit()
    return name


def serve(name: str, *queues: str) -> None:
    """As RQ's workers register themselves."""
    client, key = processes.queue_client(), f"rq:worker:{name}"
    client.hset(key, "queues", ",".join(generate_qname(queue) for queue in queues))
    for queue in queues:
        client.sadd(f"rq:workers:{generate_qname(queue)}", key)


def serve_all() -> None:
    """Two that serve all queues."""
    serve("one", *ALL)
    serve("two", *ALL)


def submitted(job_type: str, priority: str, organization: str = factory.ALPHA, number: int = 1) -> list:
    """So many jobs, committed."""
    parameters = [{"n": n, "what": "long"} for n in range(number)]
    requests = [{"job_type": job_type, "organization": organization, "parameters": each} for each in parameters]
    jobs = submit_jobs({**request, "priority": priority, "dedup_key": frappe.generate_hash()} for request in requests)
    frappe.db.commit()
    return jobs


def one(job_type: str, priority: str, organization: str = factory.ALPHA):
    """One job, committed."""
    (job,) = submitted(job_type, priority, organization)
    return job


def age(job, seconds: float) -> None:
    """Let the job have been due so long ago."""
    due = clock.now_epoch() - seconds
    rank = due - config.HEAD_START[frappe.db.get_value("Background Job", job.name, "priority")]
    set_columns(job, available_at=clock.site_time(due), due_epoch=due, admission_rank=rank)


def listed(queue: str) -> list[str]:
    """The jobs in a queue's list, from the first to the last."""
    entries = processes.queue_client().lrange(f"rq:queue:{generate_qname(queue)}", 0, -1)
    return [entry.decode()[entry.decode().index("JOB-") :].rpartition("-")[0] for entry in entries]


def taken(queue: str) -> str | None:
    """The job of the next entry of a queue, which is taken from its list."""
    names = listed(queue)
    if names:
        processes.queue_client().lpop(f"rq:queue:{generate_qname(queue)}")
    return names[0] if names else None


def run_next(number: int, queue: str = "short") -> list[str]:
    """Run the jobs of the next entries of a queue, as far as there are any."""
    names: list[str] = []
    for _number in range(number):
        if name := taken(queue):
            executor.execute_job(name, column(name, "attempt") + 1)
            names.append(name)
    return names


def column(job, name: str = "queue"):
    """What the row says now."""
    job = job if isinstance(job, str) else job.name
    return database.value(f"SELECT `{name}` FROM `tabBackground Job` WHERE name = %s", job)


def seen(job) -> tuple[str, str]:
    """Its status and queue."""
    return status(job), column(job)
