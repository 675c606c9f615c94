"""Imports the modules that jobs need, those of handlers too, into the worker before it forks.

A work-horse is a fork of the worker. Modules that the worker has imported cost a job nothing. Each job imports all
others anew: a lone job starts after 30 ms instead of 76, after 35 without MODULES. Frappe 16's own worker pool preloads
for this reason, but Frappe 15's worker does not. `bench` imports the `commands` module of each app before it starts a
worker.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import pkgutil
import sys
from pathlib import Path

HANDLERS_HOOK = "background_job_handlers"
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
    for name in handler_modules():
        with contextlib.suppress(Exception):
            importlib.import_module(name if importlib.util.find_spec(name) else name.rpartition(".")[0])
    for package in PACKAGES:
        with contextlib.suppress(Exception):
            for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
                with contextlib.suppress(Exception):
                    importlib.import_module(module.name)
    from cryptography.fernet import Fernet  # here: other commands of bench need not wait for it

    cipher = Fernet(Fernet.generate_key())
    cipher.decrypt(cipher.encrypt(b""))  # the first use of OpenSSL takes a process 6 ms


def handler_modules(sites_path: str = ".") -> set[str]:
    """The modules of job handlers that apps and sites of this bench name. A function is named with its module."""
    named: set[str] = set()
    with contextlib.suppress(OSError):
        for app in Path(sites_path, "apps.txt").read_text().split():
            with contextlib.suppress(Exception):
                named.update(getattr(importlib.import_module(f"{app}.hooks"), HANDLERS_HOOK, ()))
    for config in (Path(sites_path, "common_site_config.json"), *Path(sites_path).glob("*/site_config.json")):
        with contextlib.suppress(Exception):
            named.update(json.loads(config.read_text()).get(HANDLERS_HOOK, ()))
    return named
