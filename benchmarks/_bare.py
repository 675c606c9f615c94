"""What a worker runs for `frappe.enqueue` alone. Nothing of the engine is imported here: it would be measured too."""

from __future__ import annotations

import os
import time


def nothing() -> None:
    """Ends at once."""


def write() -> None:
    """The least that a job is for: one writing statement."""
    import frappe

    frappe.db.sql("DELETE FROM `tabNote` WHERE name = 'benchmark'")


def stamp(path: str) -> None:
    """Note the time at which a job's own code begins."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{time.time()}\n".encode())
    os.close(descriptor)
