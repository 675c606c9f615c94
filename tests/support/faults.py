"""Job handlers that fall ill late, in odd ways, or leave things behind; see `handlers` for the others."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import frappe

from dartwing_core.jobs import JobContext, PermanentError, job_handler
from dartwing_core.jobs.lib.sql import connector

from .handlers import fail, pause

LONG = 30


def leave_note(context: JobContext, suffix: str = "") -> None:
    """One Note that names the job: the effect that must be there once, or not at all."""
    title = f"test {context.job_id}{suffix}"
    frappe.get_doc({"doctype": "Note", "title": title, "public": 1}).insert(ignore_permissions=True)


@job_handler
def leave_note_slowly(context: JobContext) -> None:
    """Writes first, and takes `seconds` then, with the transaction open."""
    leave_note(context)
    pause(context.parameters["seconds"])


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


def surroundings() -> dict[str, Any]:
    """What a handler finds around it that another one may have left."""
    callbacks = ("before_commit", "after_commit", "before_rollback", "after_rollback")
    logs = ("message_log", "error_log", "debug_log", "locked_documents")
    return {
        "user": frappe.session.user,
        "lang": frappe.local.lang,
        "flag": frappe.flags.left_by_a_job,
        "mute_emails": frappe.flags.mute_emails,
        "form": dict(frappe.local.form_dict),
        "response": sorted(frappe.local.response),
        "logs": [len(getattr(frappe.local, name)) for name in logs],
        "realtime": len(getattr(frappe.local, "_realtime_log", ())),
        "request_cache": frappe.local.request_cache.get("left by a job"),
        "value_cache": frappe.db.value_cache.get("left by a job"),
        "callbacks": [len(getattr(frappe.db, name)._functions) for name in callbacks],
        "many_writes": frappe.db.auto_commit_on_many_writes,
        "threads": sorted(thread.name for thread in threading.enumerate() if thread.name != "job-heartbeat"),
        "alarm": signal.getitimer(signal.ITIMER_REAL)[0] > 0,
    }


@job_handler
def looks_around(context: JobContext) -> dict[str, Any]:
    """Returns its surroundings."""
    return surroundings()


@job_handler
def leaves_a_mess(context: JobContext) -> None:
    """Leaves as much behind as it can, then ends as `then` says."""
    leave_note(context)
    frappe.db.savepoint("left_open")
    frappe.msgprint("left by a job")
    frappe.flags.left_by_a_job = frappe.flags.mute_emails = True
    frappe.local.lang = "de"
    frappe.local.response["left_by_a_job"] = 1
    frappe.local.locked_documents.append("left by a job")
    frappe.local.request_cache["left by a job"] = 1
    frappe.db.value_cache["left by a job"] = 1
    frappe.db.auto_commit_on_many_writes = 1
    frappe.publish_realtime("left_by_a_job", {}, user="Administrator", after_commit=True)
    frappe.db.before_commit.add(lambda: frappe.db.after_rollback.add(lambda: None))  # so late, a commit leaves it
    then = context.parameters["then"]
    if then == "callback":
        for _number in range(2):
            frappe.db.after_commit.add(fail)
    frappe.set_user("Guest")
    frappe.local.form_dict = frappe._dict(left_by_a_job=1)
    if then == "fail":
        frappe.db.after_rollback.reset()  # as a lost connection does
        raise PermanentError("asked to fail")
    if then == "exit":
        raise SystemExit(3)
    if then == "time":
        pause(LONG)


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


@job_handler
def writes_a_note(context: JobContext) -> None:
    """Leaves its note and ends."""
    leave_note(context)
