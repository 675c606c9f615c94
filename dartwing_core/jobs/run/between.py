"""Between two jobs of one process: Frappe's context begins anew, and the hooks of other apps are called.

What a handler may rely on and what it has to put back itself is a contract (`docs/writing_handlers.md`), not a
detector: the engine compares nothing of the process but its memory.
"""

from __future__ import annotations

import resource
from functools import partial
from typing import Any

import frappe

from ..lib import config, sql
from ..line.claim import ClaimedJob

KEPT = frozenset(
    {
        *("site", "sites_path", "site_path", "conf", "db", "qb", "job", "initialised"),
        *("all_apps", "app_modules", "module_app", "doc_events_hooks"),
    }
)
"""Attributes of `frappe.local` that a job leaves as they are: the site's, the bench's and the entry's."""
CACHES = frozenset({"cache", "request_cache", "system_settings", "website_settings"})
CALLBACKS = ("before_commit", "after_commit", "before_rollback", "after_rollback")
MEMORY_LIMIT = 256 * 1024
"""A process that has grown by so many kilobytes runs no other job."""
OF_THE_ENTRY = frozenset(
    {
        "frappe.recorder.record",
        "frappe.monitor.start",
        "frappe.recorder.dump",
        "frappe.monitor.stop",
        "frappe.utils.background_jobs.flush_telemetry",
    }
)
"""Frappe's own hooks, which take an entry of RQ for one job."""


class Context:
    """Frappe's context when the process begins, to which each job returns it."""

    def __init__(self) -> None:
        self._user, self._memory = frappe.session.user, _memory()
        self._begun: dict[str, Any] = {name: value for name, value in dict(frappe.local).items() if name not in KEPT}
        self._contents = {name: _copied(value) for name, value in self._begun.items() if value and name not in CACHES}

    def restore(self) -> None:
        """Drop what a job has left in `frappe.local`, in Frappe's caches and on its database object."""
        for name in dict(frappe.local).keys() - self._begun.keys() - KEPT:
            delattr(frappe.local, name)
        for name, value in self._begun.items():
            if isinstance(value, dict | list | set):
                value.clear()
            setattr(frappe.local, name, _copied(self._contents[name]) if name in self._contents else value)
        if getattr(frappe.local, "system_settings", None):
            del frappe.local.system_settings
        for name in CALLBACKS:
            getattr(frappe.db, name).reset()
        frappe.db.value_cache.clear()
        frappe.db.auto_commit_on_many_writes = frappe.db.transaction_writes = 0
        frappe.set_user(self._user)  # this also empties the caches of a user

    def has_grown(self) -> bool:
        """Whether the process needs so much more memory than at its start that it must run no other job."""
        return _memory() - self._memory >= MEMORY_LIMIT


def call_before_job(job: ClaimedJob) -> None:
    """Call the hooks `before_job`. Raises what one of them raises."""
    for hook in _hooks("before_job"):
        frappe.call(hook, method=frappe.local.job.method, kwargs=_arguments(job), transaction_type="job")


def call_after_job(job: ClaimedJob) -> None:
    """Call the hooks `after_job`, and what the handler has left to `frappe.local.job.after_job`. Best effort."""
    for hook in _hooks("after_job"):
        call = partial(frappe.call, hook, method=frappe.local.job.method, kwargs=_arguments(job), result=None)
        sql.best_effort(call)
    if has_callbacks_after_job():
        sql.best_effort(frappe.local.job.after_job.run)
        frappe.local.job.after_job.reset()
    if frappe.db.transaction_writes:
        sql.rollback()  # Frappe loses such writes too, as it ends its context after the hooks


def has_callbacks() -> bool:
    """Whether a handler has left callbacks that its commit or the end of its job will call."""
    after_commit = (isinstance(one, sql.Gathered) for one in frappe.db.after_commit._functions)
    return bool(frappe.db.before_commit._functions) or not all(after_commit) or has_callbacks_after_job()


def commit() -> None:
    """Commit a handler's work, and call what it has left to its commit."""
    if has_callbacks():
        frappe.db.commit()
        return
    # The answer to a commit may be lost. No rollback callback may then delete bytes.
    frappe.db.before_rollback.reset()
    frappe.db.after_rollback.reset()
    sql.commit()


def has_callbacks_after_job() -> bool:
    """Whether a handler has left callbacks to `frappe.local.job.after_job`."""
    job = getattr(frappe.local, "job", None)
    return job is not None and bool(job.after_job._functions)


def _hooks(name: str) -> list[str]:
    """The hooks of other apps. None outside of Frappe's function for background jobs."""
    is_in_a_worker = getattr(frappe.local, "job", None) is not None
    return [hook for hook in config.hook(name) or [] if hook not in OF_THE_ENTRY] if is_in_a_worker else []


def _arguments(job: ClaimedJob) -> dict[str, Any]:
    return {"background_job": job.name, "attempt": job.attempt}


def _copied(value: Any) -> Any:
    """The value, with copies of dicts, lists and sets. It takes a quarter of the time of `copy.deepcopy`."""
    if isinstance(value, list):
        return [_copied(one) for one in value]
    found = value.copy() if isinstance(value, dict | set) else value
    if isinstance(found, dict):
        found.update({key: _copied(one) for key, one in found.items()})
    return found


def _memory() -> int:
    """The peak memory of this process, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
