"""`python -m tests.support.simple_worker`: RQ's SimpleWorker, which runs all jobs in one process, then ends.

What Frappe 16 does with FRAPPE_BACKGROUND_WORKERS_NOFORK, but for its end after a time limit: this one goes on.
"""

from __future__ import annotations

import os

import redis
from rq import SimpleWorker


def main() -> None:
    """Work until the queues are empty."""
    if os.environ["DW_MODE"] == "standalone":
        from standalone import alias

        alias.install()
    import frappe
    from frappe.utils.background_jobs import generate_qname

    frappe.init(os.environ["DW_SITE"], sites_path=os.environ["DW_SITES_PATH"])
    queues = [generate_qname(name) for name in ("short", "default", "long")]
    frappe.destroy()
    connection = redis.Redis.from_url(os.environ["FRAPPE_REDIS_QUEUE"])
    SimpleWorker(queues, connection=connection).work(burst=True)


if __name__ == "__main__":
    main()
