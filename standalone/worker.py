"""`python -m standalone.worker [--queue short,default,long] [--burst] [--quiet]`: Frappe's own forking RQ worker.

With `--num-workers N` its worker pool of so many, which does not fork if FRAPPE_BACKGROUND_WORKERS_NOFORK is set.
"""

from __future__ import annotations

import argparse
import os

from . import alias


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m standalone.worker")
    parser.add_argument("--queue", default="short,default,long")
    parser.add_argument("--burst", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--num-workers", type=int)
    arguments = parser.parse_args()
    alias.install()
    from frappe.utils.background_jobs import start_worker, start_worker_pool

    from dartwing_core import worker_preload

    worker_preload.preload()
    if arguments.num_workers:
        os.environ["MONOFRAME_BACKGROUND_WORKERS_NOFORK"] = os.environ.get("FRAPPE_BACKGROUND_WORKERS_NOFORK", "")
        start_worker_pool(arguments.queue, arguments.num_workers, arguments.quiet, arguments.burst)
    else:
        start_worker(queue=arguments.queue, burst=arguments.burst, quiet=arguments.quiet)


if __name__ == "__main__":
    main()
