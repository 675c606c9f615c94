"""Job handlers that fall ill late, in odd ways, or leave things behind; see `handlers` for the others."""

from __future__ import annotations

import os
import signal

import frappe

from dartwing_core.jobs import JobContext, job_handler

from .handlers import pause

LONG = 30


def leave_note(context: JobContext, suffix: str = "") -> None:
    """One Note that names the job: the effect that must be there once, or not at all."""
    title = f"test {context.job_id}{suffix}"
    frappe.get_doc({"doctype": "Note", "title": title, "public": 1}).insert(ignore_permissions=True)


@job_handler
def late(context: JobContext) -> None:
    """Returns in time; what it hangs on the `when` of its transaction takes longer than its time limit."""
    leave_note(context)
    if when := context.parameters.get("when"):
        getattr(frappe.db, when).add(lambda: pause(LONG))


@job_handler
def clean_up(context: JobContext) -> None:
    """A Job Type's clean-up after a time limit."""
    leave_note(context, " cleaned up")


@job_handler
def first_hangs(context: JobContext) -> dict:
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
