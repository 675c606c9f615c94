"""For the tests of apps that submit jobs: does at once the work of workers and sweeper."""

from __future__ import annotations

import frappe

from . import executor
from .line import line_queries, queue_view
from .recovery import sweeper
from .store import backlog
from .store.job_rows import DispatchRow


def run_jobs(limit: int = 1_000) -> dict[str, str]:
    """Run all jobs of the site that may start, one after the other in this process. Returns their status by id, in the
    order of their starts.

    Also runs the jobs that follow: children, callbacks, and jobs that handlers submit. Leaves jobs that are due later
    (retries too), paused or held by a limit. Commits, as workers do. For sites without workers, which might claim a job
    first. Raises RuntimeError rather than make more than `limit` attempts.
    """
    ran: list[str] = []
    while job := _next():
        if len(ran) >= limit:
            raise RuntimeError(f"More than {limit} attempts: does a job submit another one each time?")
        executor.run_one(job["name"], job["attempt"] + 1)
        ran.append(job["name"])
    frappe.db.commit()  # a snapshot that shows all committed jobs
    statuses = backlog.statuses(ran) if ran else {}
    return {name: statuses[name] for name in dict.fromkeys(ran) if name in statuses}


def _next() -> DispatchRow | None:
    """The job whose turn it is, after a sweep."""
    sweeper.sweep()
    line = queue_view.read_view().choice.next()
    rows = line_queries.first_jobs(line, 1) if line else []
    return rows[0] if rows else None
