"""Begins the thread that watches over due sites, in the processes of Frappe from which others come.

`bench` imports the `commands` module of each app before it runs a command: in the parent of workers, in that of a pool,
and in the scheduler. None of their children gets the thread.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dartwing_core.jobs.rq.ticker import Ticker

COMMANDS = frozenset({"worker", "worker-pool", "schedule"})


def begin_if_needed() -> None:
    """Begin the thread if this process is about to become a worker, a pool or the scheduler."""
    if COMMANDS & set(sys.argv[1:]):
        with contextlib.suppress(Exception):  # a bench that is half updated has to start its workers
            threading.Thread(target=make().run, args=(threading.Event(),), name="job-ticker", daemon=True).start()


def make() -> Ticker:
    """The ticker of this bench, whose `sites` is the current folder. All that it needs is imported here."""
    import encodings.idna  # noqa: F401  a connection to a host by name needs it

    import frappe
    from frappe.utils import get_bench_id
    from frappe.utils.background_jobs import get_queue_list

    from dartwing_core.jobs.rq import redis_queue
    from dartwing_core.jobs.rq.due_sites import DueSites
    from dartwing_core.jobs.rq.ticker import Ticker

    with frappe.init_site():
        sites = DueSites(redis_queue.client(redis_queue.new_client), get_bench_id())
        return Ticker(sites, get_queue_list(build_queue_name=True))
