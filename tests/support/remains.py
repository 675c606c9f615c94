"""Job handlers that leave something behind in their process, and one that looks for all of it."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import frappe
import redis

from dartwing_core.jobs import JobContext, PermanentError, job_handler

NAME = "left_by_a_job"


def _remain() -> None:
    """A callback that somebody has left."""


def _change_a_cached_document() -> None:
    frappe.get_cached_doc("Job Engine Settings").left_by_a_job = 1


def _prepare_a_statement() -> None:
    frappe.db.sql(f"PREPARE {NAME} FROM 'SELECT 1'")


IN_FRAPPE: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "local": lambda: setattr(frappe.local, NAME, 1),
    "flags": lambda: frappe.flags.update({NAME: 1, "mute_emails": True, "in_import": True}),
    "new flags": lambda: setattr(frappe.local, "flags", frappe._dict({NAME: 1})),
    "user": lambda: frappe.set_user("Guest"),
    "language": lambda: setattr(frappe.local, "lang", "de"),
    "form": lambda: frappe.local.form_dict.update({NAME: 1}),
    "response": lambda: frappe.local.response.update({NAME: 1}),
    "messages": lambda: frappe.msgprint(NAME),
    "errors": lambda: frappe.local.error_log.append({"error": NAME}),
    "configuration": lambda: frappe.local.conf.update({NAME: 1}),
    "a callback of a callback": lambda: frappe.db.after_commit.add(lambda: frappe.db.after_rollback.add(_remain)),
    "callbacks": lambda: [
        getattr(frappe.db, when).add(_remain) for when in ("after_commit", "before_rollback", "after_rollback")
    ],
    "cache": lambda: frappe.local.cache.update({NAME: 1}),
    "value cache": lambda: frappe.db.value_cache.update({NAME: 1}),
    "a cached document": _change_a_cached_document,
    "many writes": lambda: setattr(frappe.db, "auto_commit_on_many_writes", 1),
}
IN_DATABASE: dict[str, Callable[[], Any]] = {
    "variable": lambda: frappe.db.sql(f"SET @{NAME} = 1"),
    "variable of a query": lambda: frappe.db.sql(f"SELECT @{NAME} := 1"),
    "temporary table": lambda: frappe.db.sql(f"CREATE TEMPORARY TABLE {NAME} (n INT)"),
    "named lock": lambda: frappe.db.sql(f"SELECT GET_LOCK('{NAME}', 0)"),
    "isolation": lambda: frappe.db.sql("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
    "mode": lambda: frappe.db.sql("SET SESSION sql_mode = 'ANSI_QUOTES'"),
    "time zone": lambda: frappe.db.sql("SET time_zone = '+09:00'"),
    "prepared statement": _prepare_a_statement,
}
IN_PROCESS: dict[str, Callable[[], Any]] = {
    "thread": lambda: threading.Thread(target=threading.Event().wait, args=(600,), name=NAME, daemon=True).start(),
    "folder": lambda: os.chdir("/"),
    "environment": lambda: os.environ.update({NAME: "1"}),
    "signal": lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
    "network": lambda: socket.setdefaulttimeout(77),
    "umask": lambda: os.umask(0o007),
}
REMAINS = {**IN_FRAPPE, **IN_DATABASE, **IN_PROCESS}


def found() -> dict[str, Any]:
    """All that a handler may find of what another one has left, by what it is."""
    local, callbacks = frappe.local, ("before_commit", "after_commit", "before_rollback", "after_rollback")
    return {
        "local": hasattr(local, NAME),
        "flags": [NAME in frappe.flags, bool(frappe.flags.mute_emails), bool(frappe.flags.in_import)],
        "user": frappe.session.user,
        "language": local.lang,
        "form": NAME in local.form_dict,
        "response": NAME in local.response,
        "logs": [len(local.message_log), len(local.error_log)],
        "configuration": NAME in local.conf,
        "callbacks": [
            sum(
                callback.__module__ == __name__
                for callback in getattr(frappe.db, when)._functions
                if _is_named(callback)
            )
            for when in callbacks
        ],
        "cache": [NAME in local.cache, NAME in frappe.db.value_cache],
        "a cached document": frappe.get_cached_doc("Job Engine Settings").get(NAME),
        "many writes": frappe.db.auto_commit_on_many_writes,
        "variable": frappe.db.sql(f"SELECT @{NAME}")[0][0],
        "temporary table": _answers(f"SELECT 1 FROM {NAME}"),
        "named lock": frappe.db.sql(f"SELECT IS_USED_LOCK('{NAME}') = CONNECTION_ID()")[0][0],
        "session": [
            list(row) for row in frappe.db.sql("SHOW VARIABLES WHERE variable_name RLIKE '_isolation$|^sql_mode$'")
        ],
        "time zone": frappe.db.sql("SELECT @@session.time_zone")[0][0],
        "prepared statement": _answers(f"EXECUTE {NAME}"),
        "thread": sorted(thread.name for thread in threading.enumerate() if thread.name == NAME),
        "folder": os.getcwd(),
        "environment": NAME in os.environ,
        "signal": str(signal.getsignal(signal.SIGUSR1)),
        "network": socket.getdefaulttimeout(),
        "umask": _umask(),
    }


def _is_named(callback: Any) -> bool:
    return hasattr(callback, "__module__")


def _answers(query: str) -> bool:
    try:
        frappe.db.sql(query)
    except Exception:
        return False
    return True


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@job_handler
def leaves(context: JobContext) -> dict[str, Any]:
    """Leaves what `what` says, and fails for good if it is to."""
    REMAINS[context.parameters["what"]]()
    if context.parameters["fails"]:
        raise PermanentError("asked to fail")
    return {"pid": os.getpid()}


@job_handler
def looks(context: JobContext) -> dict[str, Any]:
    """Tells what it finds, and where it runs. Asks the database nothing that outlasts its transaction."""
    return {"found": found(), "pid": os.getpid()}


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
