"""What a handler leaves behind in `frappe.local` and on the connection must not reach the next job of the process.

Frappe ends its context after each RQ job. That is enough for a work-horse that makes one attempt, and not for one that
makes several; nor for a process that uses its session further. Not undone: variables of the database session (SET
SESSION) and named locks, which end with the connection.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
NEEDED = ("db", "conf", "flags", "session", "lang", "form_dict", "response", "message_log", "error_log", "debug_log")
"""Without which Frappe can do nothing."""


class Site:
    """The site that a handler is called on, to be back on it after whatever the handler did to Frappe's context."""

    def __init__(self) -> None:
        self._name, self._path, self._user = frappe.local.site, frappe.local.sites_path, frappe.session.user
        self._before = {name: getattr(frappe.local, name) for name in NEEDED}

    def come_back(self) -> None:
        """Begin anew if the handler has ended Frappe's context or gone to another site; put back what is missing."""
        local = frappe.local
        if not getattr(local, "initialised", None) or getattr(local, "site", None) != self._name:
            with suppress(Exception):
                frappe.destroy()
            frappe.init(self._name, sites_path=self._path, force=True)
            frappe.connect(set_admin_as_user=False)
            frappe.set_user(self._user)
        for name, value in self._before.items():
            if getattr(local, name, None) is None:
                setattr(local, name, value)
        for name in FORGOTTEN:
            if getattr(local, name, "") is None:
                delattr(local, name)
        if local.db is not self._before["db"]:
            with suppress(Exception):
                self._before["db"].close()  # its transaction would hold its locks as long as somebody refers to it


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
