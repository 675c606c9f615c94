"""Job handlers that fall ill late, in odd ways, or leave things behind; see `handlers` for the others."""

from __future__ import annotations

import os
import signal
from typing import Any

import frappe

from dartwing_core.jobs import JobContext, job_handler
from dartwing_core.jobs.lib.sql import connector

from .handlers import leave_note, pause


@job_handler
def late(context: JobContext) -> None:
    """Returns in time; what it hangs on the `when` of its transaction takes longer than its time limit."""
    leave_note(context)
    if when := context.parameters.get("when"):
        getattr(frappe.db, when).add(lambda: pause(context.parameters["seconds"]))


@job_handler
def clean_up(context: JobContext) -> None:
    """A Job Type's clean-up after a time limit."""
    leave_note(context, " cleaned up")


@job_handler
def first_hangs(context: JobContext) -> dict[str, Any]:
    """Writes, then hangs in its first attempt."""
    leave_note(context)
    if context.attempt == 1:
        pause(context.parameters.get("seconds", 600))
    return {"attempt": context.attempt}


@job_handler
def ends_its_process(context: JobContext) -> None:
    """Writes, then ends its first attempt in a way that no `except Exception` sees."""
    leave_note(context)
    if context.attempt > 1:
        return
    what = context.parameters["what"]
    if what == "exit":
        raise SystemExit(3)
    if what == "keyboard":
        raise KeyboardInterrupt
    if what == "os_exit":
        os._exit(0)
    os.kill(os.getpid(), getattr(signal, what))
    pause(0.5)


@job_handler
def migrated(context: JobContext) -> None:
    """While its first attempt runs, a migration rebuilds the engine's table."""
    leave_note(context)
    frappe.db.sql("SELECT 1 FROM tabNote LIMIT 1")  # the first plain read takes the transaction's snapshot
    if context.attempt <= context.parameters.get("times", 1):
        with connector()() as other, other.cursor() as cursor:
            cursor.execute("ALTER TABLE `tabBackground Job` FORCE")


def _fail_late() -> None:
    raise ValueError("behind the commit")


@job_handler
def leaves_to_the_commit(context: JobContext) -> None:
    """Leaves to the commit what Frappe's own functions leave to it; with `fails` one of them that fails."""
    leave_note(context)
    frappe.publish_realtime("left_by_a_job", {}, user="Administrator", after_commit=True)
    frappe.enqueue("frappe.ping", queue="long", enqueue_after_commit=True)
    if context.parameters.get("fails"):
        frappe.db.after_commit.add(_fail_late)


@job_handler
def is_overtaken_and_fails(context: JobContext) -> None:
    """Somebody gives the job to another attempt; then it fails."""
    with connector()() as other, other.cursor() as cursor:
        cursor.execute("UPDATE `tabBackground Job` SET attempt = attempt + 1 WHERE name = %s", (context.job_id,))
    raise ValueError("late")
