"""Imports the modules that jobs need into the worker, before it forks.

A work-horse is a fork of the worker. Modules that the worker has imported cost a job nothing. Each job imports all
others anew: a lone job starts after 30 ms instead of 76, after 35 without MODULES. Frappe 16's own worker pool preloads
for this reason, but Frappe 15's worker does not. `bench` imports the `commands` module of each app before it starts a
worker.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import sys

WORKER_COMMANDS = frozenset({"worker", "worker-pool"})
MODULES = (  # beside those that our own import
    "frappe.database.mariadb.database",
    "frappe.database.query",
    "frappe.utils.safe_exec",
    "frappe.utils.scheduler",
    "frappe.utils.typing_validations",
    "frappe.utils.logger",
    "frappe.utils.response",
    "frappe.website.path_resolver",
    "frappe.core.doctype.docfield.docfield",
    "frappe.core.doctype.docperm.docperm",
    "frappe.core.doctype.scheduled_job_type.scheduled_job_type",
    "frappe.core.doctype.system_settings.system_settings",
    "frappe.core.doctype.user.user",
    "frappe.monitor",
    "frappe.recorder",
    "babel.dates",
)
PACKAGES = ("dartwing_core.jobs", "dartwing_core.dartwing_core.doctype")


def in_a_worker() -> None:
    """Preload if this process is about to become a worker of Frappe's."""
    if WORKER_COMMANDS & set(sys.argv[1:]):
        preload()


def preload() -> None:
    """Import the modules. A module that fails to import raises in the job that needs it, not here."""
    for name in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for package in PACKAGES:
        with contextlib.suppress(Exception):
            for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
                with contextlib.suppress(Exception):
                    importlib.import_module(module.name)
    from cryptography.fernet import Fernet  # here: other commands of bench need not wait for it

    cipher = Fernet(Fernet.generate_key())
    cipher.decrypt(cipher.encrypt(b""))  # the first use of OpenSSL takes a process 6 ms
