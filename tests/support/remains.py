"""Job handlers that leave something behind in their process, and some that look for it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import frappe
import redis

from dartwing_core.jobs import JobContext, PermanentError, cancel_job, enqueueable, job_handler

from .handlers import pause

NAME = "left_by_a_job"


def _remain() -> None:
    """A callback that somebody has left."""


def _fail_a_statement() -> None:
    try:
        frappe.db.sql("SELECT nothing FROM nowhere")
    except Exception:
        frappe.local.message_log.append({"message": NAME})


REMAINS: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "local": lambda: setattr(frappe.local, NAME, 1),
    "flags": lambda: frappe.flags.update({NAME: 1, "mute_emails": True, "in_import": True}),
    "new flags": lambda: setattr(frappe.local, "flags", frappe._dict({NAME: 1})),
    "user": lambda: frappe.set_user("Guest"),
    "user permissions": lambda: setattr(frappe.local, "user_perms", {"Organization": [NAME]}),
    "language": lambda: setattr(frappe.local, "lang", "fr"),
    "form": lambda: frappe.local.form_dict.update({NAME: 1}),
    "response": lambda: frappe.local.response.update({NAME: 1}),
    "messages": lambda: frappe.msgprint(NAME),
    "errors": lambda: frappe.local.error_log.append({"error": NAME}),
    "callbacks": lambda: [
        getattr(frappe.db, when).add(_remain) for when in ("after_commit", "before_rollback", "after_rollback")
    ],
    "a callback of a callback": lambda: frappe.db.after_commit.add(lambda: frappe.db.after_rollback.add(_remain)),
    "cache": lambda: frappe.local.cache.update({NAME: 1}),
    "request cache": lambda: frappe.local.request_cache.update({NAME: 1}),
    "value cache": lambda: frappe.db.value_cache.update({NAME: 1}),
    "many writes": lambda: setattr(frappe.db, "auto_commit_on_many_writes", 1),
    "a failed statement": _fail_a_statement,
    "an open transaction": lambda: frappe.db.sql("START TRANSACTION"),
    "a savepoint": lambda: frappe.db.savepoint(NAME),
}


def found() -> dict[str, Any]:
    """All that a handler may find of what another one has left, by what it is."""
    local, callbacks = frappe.local, ("before_commit", "after_commit", "before_rollback", "after_rollback")
    return {
        "local": hasattr(local, NAME),
        "flags": [NAME in frappe.flags, bool(frappe.flags.mute_emails), bool(frappe.flags.in_import)],
        "user": frappe.session.user,
        "user permissions": NAME in str(getattr(local, "user_perms", None)),
        "language": local.lang,
        "form": NAME in local.form_dict,
        "response": NAME in local.response,
        "logs": [len(local.message_log), len(local.error_log)],
        "callbacks": [sum(one is _remain for one in getattr(frappe.db, when)._functions) for when in callbacks],
        "cache": [NAME in local.cache, NAME in local.request_cache, NAME in frappe.db.value_cache],
        "many writes": bool(frappe.db.auto_commit_on_many_writes),
    }


@job_handler
def leaves(context: JobContext) -> dict[str, Any]:
    """Leaves what `what` says, and fails for good if it is to."""
    REMAINS[context.parameters["what"]]()
    if context.parameters["fails"]:
        raise PermanentError("asked to fail")
    return {"pid": os.getpid()}


@job_handler
def looks(context: JobContext) -> dict[str, Any]:
    """Tells what it finds."""
    return found()


@enqueueable
def set_variable() -> None:
    """Leaves a variable in the database's session."""
    frappe.db.sql(f"SET @{NAME} = 1")


@job_handler
def leaves_a_variable(context: JobContext) -> None:
    """Leaves a variable in the database's session, then ends as `end` says."""
    set_variable()
    if context.parameters["end"] == "is canceled":
        cancel_job(context.job_id)
    elif context.parameters["end"] == "takes too long":
        pause(30)
    else:
        raise PermanentError("asked to fail")


@job_handler
def looks_for_a_variable(context: JobContext) -> dict[str, Any]:
    """Tells what it finds in the database's session."""
    return {"left": frappe.db.sql(f"SELECT @{NAME}")[0][0]}


@job_handler
def tells_process(context: JobContext) -> dict[str, Any]:
    """Tells where it runs, after `seconds`."""
    threading.Event().wait(context.parameters.get("seconds", 0))
    return {"pid": os.getpid()}


def another_apps_job(key: str, seconds: float) -> None:
    """What the entry of another app calls: notes when it began, and takes some time."""
    client: Any = redis.Redis.from_url(os.environ["FRAPPE_REDIS_QUEUE"])
    client.rpush(key, time.time())
    threading.Event().wait(seconds)
