"""Functions that a worker runs for `frappe.enqueue` alone.

Nothing of the engine is imported here: it would be measured too.
"""

from __future__ import annotations

import os
import time

DESCRIPTION = "test benchmark"
"""The text of ToDos that are made here."""


def nothing() -> None:
    """Ends at once."""


def document() -> None:
    """Reads a document with its DocType, and inserts another: what a small job does in practice."""
    import frappe

    user = frappe.get_doc("User", frappe.session.user)
    todo = {"doctype": "ToDo", "description": f"{DESCRIPTION} of {user.full_name}"}
    frappe.get_doc(todo).insert(ignore_permissions=True)


def pause() -> None:
    """Waits for 50 ms, as for another system."""
    time.sleep(0.05)


def stamp(path: str) -> None:
    """Note the time at which a job's own code begins."""
    note(path, str(time.time()))


def note(path: str, text: str) -> None:
    """Add a line to a file that several processes write."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)
