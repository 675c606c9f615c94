"""What runs in a site under Frappe's names: background jobs, scheduler, web requests, templates, exceptions, tests."""

# ruff: noqa: ARG001  (Frappe's signatures)

from __future__ import annotations

import importlib
import os
import time
from typing import Any, NoReturn

import monoframe
import monoframe.exceptions
from filelock import FileLock
from monoframe import app, tests
from monoframe.tests import compat
from monoframe.tests import utils as test_utils
from monoframe.utils import background_jobs, safe_exec, scheduler

from .site import current_site, get_bench_path, get_sites, sites_path

_execute_job = background_jobs.execute_job
_enqueue_events = (
    scheduler.enqueue_events
)  # the fork defines two: this one needs a connection, the loop calls the other
_init_request = app.init_request
_get_safe_globals = safe_exec.get_safe_globals


def execute_job(
    site: str,
    method: Any,
    event: str | None,
    job_name: str,
    kwargs: dict[str, Any],
    user: str | None = None,
    is_async: bool = True,
    retry: int = 0,
) -> Any:
    """A worker's entry point. The fork's ignores its site."""
    if is_async:
        monoframe.local.site = site
    return _execute_job(site, method, event, job_name, kwargs, user=user, is_async=is_async, retry=retry)


def enqueue_events(site: str | None = None) -> list[str] | None:
    """Inside a site: enqueue what is due, as in Frappe. Outside (the loop's call): do that for every site."""
    if getattr(monoframe.local, "initialised", False):
        return _enqueue_events()
    for name in get_sites():
        enqueue_events_for_site(name)
    return None


def enqueue_events_for_site(site: str) -> None:
    """One tick for one site. The fork's reports any failure with a connection that may never have been made."""
    try:
        monoframe.init(site, force=True)
        monoframe.connect()
        if not scheduler.is_scheduler_inactive(verbose=False):
            _enqueue_events()
    except Exception:
        monoframe.logger("scheduler").error("Exception in Enqueue Events", exc_info=True)
    finally:
        monoframe.destroy()


def start_scheduler() -> NoReturn:
    """Frappe's scheduler loop, under the lock that tells others it runs. The fork's dies at its first tick."""
    tick = scheduler.get_scheduler_tick()
    scheduler.set_niceness()
    lock = FileLock(scheduler._get_scheduler_lock_file())
    lock.acquire(blocking=False)
    while True:
        time.sleep(scheduler.sleep_duration(tick))
        enqueue_events()


def init_request(request: Any) -> None:
    """Serve the site that the request names, else the one of this process; and take Frappe's CSRF header.

    The fork renamed the header and dropped the routing by host.
    """
    if token := request.headers.get("X-Frappe-CSRF-Token"):
        request.environ["HTTP_X_MONOFRAME_CSRF_TOKEN"] = token
    for name in (request.headers.get("X-Frappe-Site-Name"), request.host.split(":")[0]):
        if name and os.path.isfile(os.path.join(sites_path(), name, "site_config.json")):
            break
    else:
        name = current_site()
    monoframe.local.site = name
    _init_request(request)


def get_safe_globals() -> Any:
    """The globals of templates and server scripts. In the fork they see it as `monoframe` only."""
    names = _get_safe_globals()
    names["frappe"] = names["monoframe"]
    return names


def is_setup_complete() -> bool:
    """The fork looks for a table of System Settings, a Single, so it says no for ever and Desk shows the wizard."""
    return bool(monoframe.db.get_single_value("System Settings", "setup_complete"))


def apply() -> None:
    background_jobs.execute_job = execute_job
    scheduler.enqueue_events = enqueue_events
    scheduler.enqueue_events_for_all_sites = enqueue_events  # Frappe's name for the call of the loop
    scheduler.enqueue_events_for_site = enqueue_events_for_site
    scheduler.start_scheduler = start_scheduler
    # Both were imported by name before they were restored.
    scheduler.get_bench_path = get_bench_path
    background_jobs.get_sites = get_sites
    safe_exec.get_safe_globals = get_safe_globals
    app.init_request = init_request
    monoframe.is_setup_complete = is_setup_complete
    importlib.import_module("frappe.exceptions")
    # Tracebacks and RQ's records say frappe.exceptions.ValidationError, and unpickle as that.
    for value in vars(monoframe.exceptions).values():
        if isinstance(value, type) and value.__module__ == "monoframe.exceptions":
            value.__module__ = "frappe.exceptions"
    # FrappeTestCase is Frappe 15's, the other two 16's; all of them by both ways of importing them.
    for module in (tests, test_utils, compat):
        module.FrappeTestCase = compat.MonoframeTestCase
        module.IntegrationTestCase = compat.IntegrationTestCase
        module.UnitTestCase = compat.UnitTestCase
