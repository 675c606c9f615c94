"""Checks sites about each second, and sweeps those with due work: retries, jobs for later, schedules, rescues.

This loop runs in `bench schedule` for all sites of the bench, in `job-engine agent` for one site, and in workers that
are busy for long. One of a site's agents leads (`leader`), the others stand by.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterable

import frappe

from ..job import find
from ..lib import clock
from ..rq import leader
from . import sweeper

APP = "dartwing_core"
INTERVAL = 1.0
"""Seconds between two checks of a busy site."""
IDLE = 3.0
"""Seconds between two checks of an idle site, or less if work is due before. Also after an error."""
WITH_DEPENDENTS, ANYWAY = 10.0, 60.0
"""Seconds between two sweeps where nothing is due: with batches or jobs that wait for others, and without."""
LIST_INTERVAL = 5.0
REST = 3
"""A check is followed by a rest of so many times its length: many sites take a quarter of a processor at most."""
SOON = 0.02


class Site:
    """One of the checked sites, with the time of its next check."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.next_look = 0.0
        self._has_failed = False
        self._has_app = False
        self._candidate: leader.Candidate | None = None
        self._swept_at = float("-inf")

    def check(self, sites_path: str) -> None:
        """Sweep the site if work is due, in a context of its own, which leaves nothing behind.

        Only the first error in a row is logged."""
        began = time.monotonic()
        try:
            pause = contextvars.Context().run(self._connected, sites_path)
            self._has_failed = False
        except Exception:
            if not self._has_failed:
                with contextlib.suppress(Exception):  # in the bench's log: the site may be gone
                    logger = frappe.logger(APP, allow_site=False)
                    logger.exception(f"Could not check site {self.name}; it is tried again, and logged once")
            self._has_failed, self._has_app = True, False  # it may have been uninstalled
            self.resign()  # another machine may reach the database
            pause = max(IDLE, REST * (time.monotonic() - began))
        self.next_look = time.monotonic() + pause

    def _connected(self, sites_path: str) -> float:
        frappe.init(self.name, sites_path=sites_path)
        try:
            frappe.connect()
            return self.sweep_if_leader()
        finally:
            frappe.destroy()

    def sweep_if_leader(self) -> float:
        """Sweep if this is the leader and work is due. Returns the seconds until the next check.

        Needs a connected site and a clean context.
        """
        if frappe.conf.maintenance_mode:
            return IDLE
        self._has_app = self._has_app or APP in frappe.get_installed_apps()
        if not self._has_app:
            return ANYWAY
        self._candidate = self._candidate or leader.Candidate()
        if not self._candidate.leads():
            return INTERVAL
        now, (due, has_dependents) = clock.now_epoch(), find.outlook()
        patience = WITH_DEPENDENTS if has_dependents else ANYWAY
        is_time = time.monotonic() - self._swept_at >= patience
        if due > now and not is_time:
            return min(IDLE, due - now + SOON)
        self._swept_at = time.monotonic()
        sweeper.sweep()
        return INTERVAL

    def resign(self) -> None:
        """Let another process lead the site at once."""
        if self._candidate:
            with contextlib.suppress(Exception):
                self._candidate.resign()


def run(stop: threading.Event, names: Callable[[], Iterable[str]], sites_path: str) -> None:
    """Check the sites of these names again and again, until `stop` is set.

    `names` is called again every few seconds: sites come and go.
    """
    sites: dict[str, Site] = {}
    next_list = 0.0
    while not stop.is_set():
        if time.monotonic() >= next_list:
            sites = {name: sites.get(name) or Site(name) for name in names()}
            next_list = time.monotonic() + LIST_INTERVAL
        site = min(sites.values(), key=lambda site: site.next_look, default=None)
        due = min(next_list, site.next_look) if site else next_list
        if stop.wait(max(0.0, due - time.monotonic())):
            break
        if site and time.monotonic() >= site.next_look:
            began = time.monotonic()
            site.check(sites_path)
            stop.wait(min(REST * (time.monotonic() - began), INTERVAL))
    for site in sites.values():
        site.resign()


class StandIn:
    """Checks the site in a thread of a busy worker, while no other process leads it. It needs a connected site."""

    JOIN_TIMEOUT = 1.0

    def __init__(self) -> None:
        self._site, self._sites_path = frappe.local.site, os.path.abspath(frappe.local.sites_path)
        self._candidate = leader.Candidate()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._asked_at = float("-inf")

    def begin_if_needed(self) -> None:
        """Start the thread if no process leads the site. Asks Redis about each second. For threads without a site."""
        if self._thread or time.monotonic() - self._asked_at < INTERVAL:
            return
        self._asked_at = time.monotonic()
        with contextlib.suppress(Exception):
            if self._candidate.leads():
                self._candidate.resign()
                arguments = (self._stop, lambda: [self._site], self._sites_path)
                self._thread = threading.Thread(target=run, args=arguments, name="job-sweeps", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """End the thread. A running sweep gets a moment to finish."""
        self._stop.set()
        if self._thread:
            self._thread.join(self.JOIN_TIMEOUT)
