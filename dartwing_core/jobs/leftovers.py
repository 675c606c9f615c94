"""What a handler leaves behind in `frappe.local` and on the connection must not reach the next job of the process.

Frappe ends its context after each RQ job. That is enough for a work-horse that makes one attempt, and not for one that
makes several; nor for a process that uses its session further. Not undone: variables of the database session (SET
SESSION) and named locks, which end with the connection.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import frappe

RESTORED = (
    "flags",
    "lang",
    "task_id",
    "response",
    "message_log",
    "error_log",
    "debug_log",
    "locked_documents",
)
"""As they were before; lists and dicts too, whether the handler changed or replaced them."""
FORGOTTEN = (
    "_realtime_log",
    "_webhook_queue",
    "user_date_format",
    "user_time_format",
    "system_settings",
)
"""Made on demand, for one user or for one transaction."""
CALLBACKS = ("before_commit", "after_commit", "before_rollback", "after_rollback")


@contextmanager
def cleared() -> Iterator[None]:
    """Run one attempt: what was there before is there after it, caches and callbacks are empty."""
    user, form_dict, commits = frappe.session.user, frappe.local.form_dict, frappe.db.auto_commit_on_many_writes
    before = {name: copy.copy(getattr(frappe.local, name)) for name in RESTORED if hasattr(frappe.local, name)}
    _forget()
    try:
        yield
    finally:
        frappe.set_user(user)  # which empties what Frappe keeps for a user
        frappe.local.form_dict = form_dict
        for name, value in before.items():
            setattr(frappe.local, name, value)
        _forget()
        for name in CALLBACKS:
            getattr(frappe.db, name).reset()
        frappe.db.auto_commit_on_many_writes = commits


def _forget() -> None:
    for name in FORGOTTEN:
        if hasattr(frappe.local, name):
            delattr(frappe.local, name)
    if hasattr(frappe.local, "request_cache"):  # Frappe 15 makes it on demand
        frappe.local.request_cache.clear()
    frappe.db.value_cache.clear()
