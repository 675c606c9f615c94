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
            _forget_cached()
            sweeper.sweep()
        except Exception:
            frappe.logger("dartwing_core").exception("The agent could not sweep; it tries again")
            dispatch.quietly(connection.discard)
    return sweeps


def _forget_cached() -> None:
    """Frappe keeps documents and permissions for the length of a request; this process has none, but sees changes."""
    for name in ("cache", "document_cache", "request_cache", "role_permissions"):
        cached = getattr(frappe.local, name, None)
        if cached is not None:
            cached.clear()
    frappe.db.value_cache.clear()
