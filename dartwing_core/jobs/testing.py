"""For the tests of apps that submit jobs: do here and now what workers and the sweeper would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import frappe

from . import backlog, clock, config, executor, redis_queue, sweeper

AT_ONCE = 500


def run_jobs(limit: int = 1_000) -> dict[str, str]:
    """Run all jobs of the site that may start, one after the other in this process, and those that this makes possible
    (children, callbacks, jobs that handlers submit); returns their status by id, in the order in which they started.

    What is due later (a retry too), paused or held by a limit stays as it is. Commits, as workers do. For sites that no
    worker serves: one may take a job first. Raises RuntimeError rather than make more than `limit` attempts.
    """
    ran: list[str] = []
    while jobs := _startable():
        if len(ran) + len(jobs) > limit:
            raise RuntimeError(f"More than {limit} attempts: does a job submit another one each time?")
        for job in jobs:
            redis_queue.remove([(job, job["queue"])], redis_queue.connection())
            executor.execute_job(job["name"], job["attempt"] + 1)
            ran.append(job["name"])
    frappe.db.commit()  # a snapshot that shows all of it
    statuses = backlog.statuses(ran) if ran else {}
    return {name: statuses[name] for name in dict.fromkeys(ran) if name in statuses}


def _startable() -> list[Mapping[str, Any]]:
    """The jobs that are Queued once all is swept, in the order in which a worker takes them."""
    sweeper.sweep()
    queued = backlog.queued_before(clock.site_time(), AT_ONCE)
    order = config.by_priority(job["queue"] for job in queued)
    return sorted(queued, key=lambda job: order.index(job["queue"]))
