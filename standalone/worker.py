"""`python -m standalone.worker [--queue short,default,long] [--burst] [--quiet]`: Frappe's own forking RQ worker."""

from __future__ import annotations

import argparse

from . import alias


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m standalone.worker")
    parser.add_argument("--queue", default="short,default,long")
    parser.add_argument("--burst", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    arguments = parser.parse_args()
    alias.install()
    from frappe.utils.background_jobs import start_worker

    from dartwing_core import worker_preload

    worker_preload.preload()
    start_worker(queue=arguments.queue, burst=arguments.burst, quiet=arguments.quiet)


if __name__ == "__main__":
    main()
