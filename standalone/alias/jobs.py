"""Background jobs and scheduler repaired: both forgot that there are sites."""

# ruff: noqa: ARG001  (Frappe's signatures)

from __future__ import annotations

import time
from typing import Any, NoReturn

import monoframe
from filelock import FileLock
from monoframe.utils import background_jobs, scheduler

from .site import get_bench_path, get_sites

_execute_job = background_jobs.execute_job


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


# The fork defines enqueue_events twice; the second, which needs a connection, shadows the one the loop calls.
_enqueue_events = scheduler.enqueue_events


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


def apply() -> None:
    background_jobs.execute_job = execute_job
    scheduler.enqueue_events = enqueue_events
    scheduler.enqueue_events_for_all_sites = enqueue_events  # Frappe's name for the call of the loop
    scheduler.enqueue_events_for_site = enqueue_events_for_site
    scheduler.start_scheduler = start_scheduler
    # Both were imported by name before they were restored.
    scheduler.get_bench_path = get_bench_path
    background_jobs.get_sites = get_sites
