"""The hooks `before_job` and `after_job` of all apps, for each job of a process.

Frappe calls them once for an RQ entry. Frappe's recorder and monitor take an entry for one job, and stay at that.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import frappe

from ..lib import best_effort, config, sql
from ..lib.row_types import AttemptKey

OF_THE_ENTRY = frozenset(
    {
        "frappe.recorder.record",
        "frappe.monitor.start",
        "frappe.recorder.dump",
        "frappe.monitor.stop",
        "frappe.utils.background_jobs.flush_telemetry",
    }
)


def call_before_job(job: AttemptKey) -> None:
    """Call the hooks before a job that the entry does not name. Frappe does so for the named one. Raises any error."""
    for hook in _hooks("before_job"):
        frappe.call(hook, method=frappe.local.job.method, kwargs=_arguments(job), transaction_type="job")


def call_after_job(job: AttemptKey) -> None:
    """Call the hooks after a job, and its own callbacks. Frappe calls the hooks once more at the end of the entry."""
    if not is_in_a_worker():
        return
    for hook in _hooks("after_job"):
        call = partial(frappe.call, hook, method=frappe.local.job.method, kwargs=_arguments(job), result=None)
        best_effort.run(call)
    try:
        frappe.local.job.after_job.run()
    finally:
        frappe.local.job.after_job.reset()  # if one raised, the rest must not be called for the next job
        if frappe.db.transaction_writes:
            sql.rollback()  # Frappe loses such writes too, as it ends its context after the hooks


def has_left_something() -> bool:
    """Whether the job has left callbacks to run after it."""
    return is_in_a_worker() and bool(frappe.local.job.after_job._functions)


def is_in_a_worker() -> bool:
    """Whether Frappe's function for background jobs is running."""
    return getattr(frappe.local, "job", None) is not None


def _hooks(name: str) -> list[str]:
    return [hook for hook in config.hook(name) or [] if hook not in OF_THE_ENTRY] if is_in_a_worker() else []


def _arguments(job: AttemptKey) -> dict[str, Any]:
    return {"background_job": job["name"], "attempt": job["attempt"]}
