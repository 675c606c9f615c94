"""Waits for the end of a job within a request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

import frappe
from frappe import _

from dartwing_core import jobs as engine
from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.errors import RateLimitError
from dartwing_core.jobs.lib import named_locks
from dartwing_core.jobs.status import FINISHED

from .schemas.jobs import JobStatusAnswer

MOST_SECONDS = 20
AT_ONCE = 2
"""Calls of one user that may wait. Each holds a web process."""
PAUSE = 0.25


def wait_for_end(job_id: str, seconds: int) -> JobStatusAnswer:
    """The job's status once it has ended, or after so many seconds. The permission is checked all the while.

    Ends transactions, to see what others commit. Raises RateLimitError if the user has AT_ONCE calls that wait.
    """
    deadline = time.monotonic() + min(max(seconds, 0), MOST_SECONDS)
    with _place(frappe.session.user):
        while True:
            shown = cast(JobStatusAnswer, engine.get_job_status(job_id))
            if shown["status"] in FINISHED or time.monotonic() >= deadline:
                return shown
            time.sleep(PAUSE)
            frappe.db.rollback()
            visibility.forget()
            frappe.local.cache.clear()  # roles, as Frappe keeps them within a request


@contextmanager
def _place(user: str) -> Iterator[None]:
    """Hold one of the user's places while entered. The server frees those of a process that has died."""
    locks = (named_locks.named_lock(f"wait:{number}:{user}") for number in range(AT_ONCE))
    with ExitStack() as held:
        if not any(held.enter_context(lock) for lock in locks):
            text = _("You wait for {0} jobs at once already. Wait for one of them, or ask for the status.")
            raise RateLimitError(text.format(AT_ONCE), 1)
        yield
