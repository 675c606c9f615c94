"""A process that sweeps every second: retries, due jobs and rescues then wait for no scheduler tick.

One is enough for a site, several are harmless. It is optional: workers and the scheduler sweep too.
"""

from __future__ import annotations

import threading

import frappe

from . import connection, dispatch, sweeper

INTERVAL = 1.0


def run(stop: threading.Event, interval: float = INTERVAL) -> int:
    """Sweep every `interval` seconds until `stop` is set; returns the number of sweeps.

    A database or Redis that is away is waited for.
    """
    sweeps = 0
    while not stop.wait(interval if sweeps else 0):
        sweeps += 1
        try:
            frappe.local.request_cache.clear()
            sweeper.sweep()
        except Exception:
            frappe.logger("dartwing_core").exception("The agent could not sweep; it tries again")
            dispatch.quietly(connection.discard)
    return sweeps
