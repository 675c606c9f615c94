"""Checks sites that are due, and sweeps those with work: retries, jobs for later, schedules, rescues.

A worker does it for a ticker (`rq/ticker`), which has rung for it. Where no worker has come after two seconds, those do
that are busy, and those that have just worked.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
import time

import frappe
from frappe.utils import get_sites

from ..job import find
from ..lib import clock, config
from ..rq import due_sites, redis_queue
from ..rq.due_sites import DueSites, Taken
from ..run import heartbeat
from . import sweeper

APP = "dartwing_core"
INTERVAL = 1.0
"""Seconds between two checks of a site whose work could not be done, and between two questions of a busy worker."""
SOON = 0.02
UNTOLD = 5
"""Seconds between two checks where jobs are in line or wait for others: what is missed there has no due time."""
OFF, WITHOUT_APP = 10, 300
LONGEST = 5
"""Seconds after which one entry leaves the other due sites to the next."""


def check_due_sites(site: str) -> None:  # noqa: ARG001
    """RQ entry point, rung by a ticker: check the due sites of this bench, until there are no more.

    `site`: the id of the bench, where Frappe's lists look for a site.
    """
    due, ends_at = contextvars.Context().run(_of_bench), time.monotonic() + LONGEST
    sites_path = os.path.abspath(".")
    names = get_sites(sites_path)
    if due.must_list():
        due.add(names)
    while time.monotonic() < ends_at and (taken := due.take()):
        if taken.site in names:
            check(due, taken, sites_path)
        else:
            due.drop(taken.site)


def _of_bench() -> DueSites:
    with frappe.init_site():
        return due_sites.of_bench()


def check(due: DueSites, taken: Taken, sites_path: str) -> None:
    """Check a site in a context of its own, which leaves nothing behind. Only the first error in a row is logged."""
    seconds = None
    try:
        seconds = contextvars.Context().run(_connected, taken.site, sites_path)
    except Exception:
        with contextlib.suppress(Exception):  # in the bench's log: the site may be broken
            if due.note_failure(taken.site, True):
                logger = frappe.logger(APP, allow_site=False)
                logger.exception(f"Could not check site {taken.site}; it is tried again, and logged once")
        due.note(taken.site, due_sites.seconds_anyway(taken.site), taken.mark)
    else:
        due.note_failure(taken.site, False)
        due.note(taken.site, seconds, taken.mark)


def _connected(site: str, sites_path: str) -> float:
    frappe.init(site, sites_path=sites_path)
    try:
        frappe.connect()
        return sweep_if_due()
    finally:
        frappe.destroy()


def sweep_if_due() -> float:
    """Sweep if work is due. Returns the seconds until the next check. Needs a connected site and a clean context."""
    if APP not in frappe.get_installed_apps():
        return WITHOUT_APP
    if sweeper.is_off():
        return OFF
    seconds, has_untold = _outlook()
    if seconds <= 0 or has_untold:
        sweeper.sweep()
        seconds, has_untold = _outlook()
    longest = UNTOLD if has_untold else due_sites.seconds_anyway(frappe.local.site)
    return min(seconds + SOON if seconds > 0 else INTERVAL, longest)


def _outlook() -> tuple[float, bool]:
    settings = config.settings()
    return find.outlook(clock.now_epoch(), settings.lease_seconds, heartbeat.cancel_grace(settings))


def sweep_if_overdue() -> None:
    """Sweep in a worker that has just worked, if the site was due two seconds ago."""
    due = due_sites.of_bench()
    taken = redis_queue.if_there(lambda: due.take(frappe.local.site, due_sites.OVERDUE))
    if taken:
        seconds = sweep_if_due()
        redis_queue.if_there(lambda: due.note(taken.site, seconds, taken.mark))


def stand_in(stop: threading.Event) -> None:
    """Check this site while nobody else does, until `stop` is set. For a thread of a worker that is busy.

    A thread, since a sweep may wait for a row, and neither a heartbeat nor a job must.
    """
    due, site, sites_path = due_sites.of_bench(), frappe.local.site, os.path.abspath(frappe.local.sites_path)
    while not stop.wait(INTERVAL):
        with contextlib.suppress(Exception):
            if taken := due.take(site, due_sites.OVERDUE):
                check(due, taken, sites_path)
