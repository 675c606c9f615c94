"""`python -m standalone.worker [--queue short,default,long] [--burst] [--quiet]`: Frappe's own forking RQ worker.

A work-horse is a fork of this process, so what is imported here costs it nothing; what is not, it imports anew for
every job. Frappe 16's own worker pool preloads for the same reason.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import pkgutil

from . import alias

PRELOAD = (
    "pymysql",
    "rq.job",
    "frappe.database.mariadb.database",
    "frappe.database.query",
    "frappe.query_builder",
    "frappe.utils.safe_exec",
    "frappe.utils.scheduler",
    "frappe.utils.typing_validations",
    "frappe.utils.logger",
    "frappe.utils.response",
    "frappe.website.path_resolver",
    "frappe.core.doctype.scheduled_job_type.scheduled_job_type",
    "frappe.core.doctype.user.user",
    "frappe.monitor",
    "frappe.recorder",
    "frappe.realtime",
    "frappe.model.document",
)
OURS = ("dartwing_core.jobs", "dartwing_core.api", "dartwing_core.dartwing_core.doctype")


def preload() -> None:
    """Import what jobs need. A module that fails to import will say so in the job that needs it, not here."""
    for name in PRELOAD:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for package in OURS:
        with contextlib.suppress(Exception):
            for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
                with contextlib.suppress(Exception):
                    importlib.import_module(module.name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m standalone.worker")
    parser.add_argument("--queue", default="short,default,long")
    parser.add_argument("--burst", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    arguments = parser.parse_args()
    alias.install()
    preload()
    from frappe.utils.background_jobs import start_worker

    start_worker(queue=arguments.queue, burst=arguments.burst, quiet=arguments.quiet)


if __name__ == "__main__":
    main()
