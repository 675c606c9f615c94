"""Job handlers that fall ill late, in odd ways, or leave things behind; see `handlers` for the others."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import frappe

from dartwing_core.jobs import JobContext, PermanentError, TransientError, job_handler
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


def _init(site: str) -> None:
    frappe.init(site, sites_path=frappe.local.sites_path, force=True)


def _init_and_connect() -> None:
    _init(frappe.local.site)
    frappe.connect()


CONTEXT_BREAKERS: dict[str, Callable[[], Any]] = {
    "connect": lambda: frappe.connect(),
    "close and connect": lambda: (frappe.db.close(), frappe.connect()),
    "init and connect": _init_and_connect,
    "init": lambda: _init(frappe.local.site),
    "destroy": lambda: frappe.destroy(),
    "no database": lambda: setattr(frappe.local, "db", None),
    "database gone": lambda: delattr(frappe.local, "db"),
    "no flags": lambda: setattr(frappe.local, "flags", None),
    "no conf": lambda: setattr(frappe.local, "conf", None),
    "no session": lambda: setattr(frappe.local, "session", None),
    "no system settings": lambda: setattr(frappe.local, "system_settings", None),
    "read only": lambda: (frappe.db.commit(), frappe.db.sql("SET SESSION TRANSACTION READ ONLY")),
    "another site": lambda: setattr(frappe.local, "site", "another.site"),
}
"""What a handler may do to Frappe under the engine's feet."""


@job_handler
def breaks_the_context(context: JobContext) -> None:
    """Writes, breaks something, then returns or fails as `then` says."""
    leave_note(context)
    CONTEXT_BREAKERS[context.parameters["what"]]()
    then = context.parameters["then"]
    if then == "transient":
        raise TransientError("asked to fail")
    if then == "permanent":
        raise PermanentError("asked to fail")


@job_handler
def changes_its_process(context: JobContext) -> None:
    """Leaves something in the process itself, as `what` says."""
    what = context.parameters["what"]
    if what == "variable":
        os.environ["LEFT_BY_A_JOB"] = context.job_id
    elif what == "session":
        frappe.db.sql("SET @left_by_a_job = 1")


@job_handler
def looks_at_its_session(context: JobContext) -> dict[str, Any]:
    """What a job before it has left in the database's session."""
    return {"left": frappe.db.sql("SELECT @left_by_a_job")[0][0], "process": os.getpid()}


def _fail_late() -> None:
    raise ValueError("behind the commit")


_fail_late.__module__ = frappe.realtime.__name__


@job_handler
def leaves_to_the_commit(context: JobContext) -> None:
    """Leaves to the commit what Frappe's own functions leave to it; with `fails` one of them that fails."""
    leave_note(context)
    frappe.publish_realtime("left_by_a_job", {}, user="Administrator", after_commit=True)
    frappe.enqueue("frappe.ping", queue="long", enqueue_after_commit=True)
    if context.parameters.get("fails"):
        frappe.db.after_commit.add(_fail_late)


@job_handler
def changes_meta(context: JobContext) -> dict[str, Any]:
    """Changes what Frappe caches of a DocType; what it was before."""
    field = frappe.get_meta("Note").get_field("title")
    before, field.permlevel = field.permlevel, 9
    return {"before": before}


def _change_session() -> None:
    frappe.db.sql("SET @left_by_a_job = 1")


@job_handler
def changes_its_session_later(context: JobContext) -> None:
    """Changes the database session behind its commit, or after the job, as `when` says."""
    leave_note(context)
    if context.parameters["when"] == "behind the commit":
        frappe.db.after_commit.add(_change_session)
    else:
        frappe.local.job.after_job.add(_change_session)


class _Odd:
    """Can't be compared, as arrays of numbers can't."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]


@job_handler
def leaves_an_odd_value(context: JobContext) -> None:
    """Leaves something in Frappe's context that can't be compared."""
    frappe.local.response["docs"] = _Odd()


@job_handler
def commits_many_writes(context: JobContext) -> dict[str, Any]:
    """Lets Frappe commit by itself behind many writes; whether it was so already."""
    before, frappe.db.auto_commit_on_many_writes = bool(frappe.db.auto_commit_on_many_writes), 1
    return {"before": before}


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
