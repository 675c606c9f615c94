"""Job handlers for tests. Workers import them because the test site's configuration names this module."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import frappe
from rq.timeouts import JobTimeoutException

from dartwing_core.jobs import JobContext, PermanentError, TransientError, job_handler, open_file
from dartwing_core.jobs.lib.sql import connector
from tests.support.database import statements, value
from tests.support.waiting import until


def pause(seconds: float) -> None:
    """Wait for so many seconds, but not by a sleep that a test might patch."""
    threading.Event().wait(seconds)


@job_handler
def nothing(context: JobContext) -> None:
    """Ends at once."""


@job_handler
def whoami(context: JobContext) -> dict[str, Any]:
    """Returns for whom it runs, with roles, language and time zone."""
    found = {"user": frappe.session.user, "roles": sorted(frappe.get_roles()), "lang": frappe.local.lang}
    return {**found, "time_zone": context.time_zone}


@job_handler
def add_note(context: JobContext) -> dict[str, Any]:
    """Writes a Note, then does what `then` says: return, fail, fail_for_good."""
    note = frappe.get_doc({"doctype": "Note", "title": context.parameters["title"], "public": 1})
    note.insert(ignore_permissions=True)
    then = context.parameters.get("then", "return")
    if then == "fail":
        raise TransientError("asked to fail")
    if then == "fail_for_good":
        raise PermanentError("asked to fail for good")
    return {"output_reference": note.name}


@job_handler
def quiet(context: JobContext) -> None:
    """Takes `seconds`, and tells nothing."""
    pause(context.parameters["seconds"])


@job_handler
def slow(context: JobContext) -> dict[str, Any]:
    """Takes `seconds`, with progress."""
    seconds = context.parameters["seconds"]
    for step in range(1, 101):
        pause(seconds / 100)
        context.update_progress(step, f"Step {step}")
    return {"steps": 100}


@job_handler
def goes_on(context: JobContext) -> None:
    """Tells of more and more progress, until the file `until` is there."""
    step = 0
    while not os.path.exists(context.parameters["until"]):
        pause(0.1)
        step += 1
        context.update_progress(min(step * 0.1, 99), f"Step {step}")


@job_handler
def returns(context: JobContext) -> Any:
    """Returns what cannot be stored, or is not a dict."""
    return {"list": [1, 2], "set": {1}, "bytes": b"\x00", "text": "word", "large": "x" * 2_000_000}[
        context.parameters["what"]
    ]


@job_handler
def raises(context: JobContext) -> None:
    """Raises the exception that `what` names."""
    raise {
        "key": KeyError("missing"),
        "exit": SystemExit(3),
        "connection": ConnectionResetError("peer"),
        "validation": frappe.ValidationError("wrong"),
        "unprintable": Unprintable(),
        "half": FileNotFoundError(2, "No such file", "caf\udce9.csv"),
        "long": TransientError("x" * 100_000),
    }[context.parameters["what"]]


class Unprintable(Exception):
    """An exception whose text raises another one."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def not_registered(context: JobContext) -> None:
    """Lacks the decorator on purpose."""


def takes_two(context: JobContext, other: int) -> None:
    """Has the wrong signature on purpose."""


def leave_note(context: JobContext, suffix: str = "") -> None:
    """One Note that names the job: the effect that must be there once, or not at all."""
    title = f"test {context.job_id}{suffix}"
    frappe.get_doc({"doctype": "Note", "title": title, "public": 1}).insert(ignore_permissions=True)


@job_handler
def write_row(context: JobContext) -> None:
    """Leaves its note, and takes `seconds` then, with the transaction open."""
    leave_note(context)
    pause(context.parameters.get("seconds", 0))


@job_handler
def kill_itself(context: JobContext) -> None:
    """Takes its worker down, each time."""
    os.kill(os.getpid(), signal.SIGKILL)


@job_handler
def deep_in_c(context: JobContext) -> None:
    """Holds the interpreter in C code, where no exception and no heartbeat gets through."""
    sum(range(context.parameters["numbers"]))


@job_handler
def long_query(context: JobContext) -> None:
    """Waits in the database."""
    frappe.db.sql("SELECT SLEEP(%s)", (context.parameters["seconds"],))


@job_handler
def batches(context: JobContext) -> dict[str, Any]:
    """Writes one Note a batch with a checkpoint after each; fails once after the batch `fail_after`."""
    first = (context.state or {"done": 0})["done"]
    for number in range(first + 1, context.parameters["batches"] + 1):
        leave_note(context, f" {number}")
        if number == context.parameters.get("fail_after") and context.attempt == 1:
            raise TransientError("asked to fail")
        context.checkpoint({"done": number})
    return {"first": first}


@job_handler
def snoozes(context: JobContext) -> dict[str, Any]:
    """Asks to be run later, until its attempt number `until`, if there is one."""
    if context.attempt < context.parameters.get("until", 1_000):
        leave_note(context)
        context.snooze(float(context.parameters.get("seconds", 0)))
    return {"attempt": context.attempt}


@job_handler
def stepped(context: JobContext) -> None:
    """Names two steps, and begins the second."""
    context.set_steps(["read", "write"])
    context.next_step()


@job_handler
def logs(context: JobContext) -> None:
    """Logs these lines, waits until the file `until` is there, and fails if asked to."""
    for line in context.parameters["lines"]:
        context.log(*line)
    until = context.parameters.get("until")
    while until and not Path(until).exists():
        pause(0.02)
    if context.parameters.get("fails"):
        raise PermanentError("asked to fail for good")


@job_handler
def fails_with(context: JobContext) -> None:
    """Fails for good, with the words given."""
    raise PermanentError(context.parameters["message"])


@job_handler
def suspends(context: JobContext) -> dict[str, Any]:
    """Suspends its own organization, and has an output."""
    frappe.db.set_value("Organization", context.organization, "status", "Suspended")
    return {"output_reference": "REPORT-1"}


@job_handler
def untidy(context: JobContext) -> None:
    """Leaves behind what a handler should not: another user, a closed connection, a savepoint, much output."""
    what = context.parameters["what"]
    leave_note(context)
    if what == "user":
        frappe.set_user("Guest")
    elif what == "close":
        frappe.db.close()
    elif what == "savepoint":
        frappe.db.savepoint("left_open")
    elif what == "output":
        print("x" * 5_000_000)
    elif what == "callback":
        frappe.db.after_commit.add(fail)
    elif what == "refuse":
        frappe.db.before_commit.add(fail)
    elif what == "rollback":
        frappe.db.rollback()
    elif what == "fork" and (child := os.fork()):  # the child comes back from the handler like its parent
        os.waitpid(child, 0)


def fail() -> NoReturn:
    """A callback that fails."""
    raise RuntimeError("a callback of the handler")


class Upstream:
    """What `scripted` jobs call: while it is down, all of them fail, whatever their plan."""

    is_down = False


@job_handler
def scripted(context: JobContext) -> None:
    """Writes one Note, then ends after `seconds` as `plan` says for this attempt: ok, fail, dead, late, snooze."""
    leave_note(context)
    pause(context.parameters.get("seconds", 0))
    plan = context.parameters["plan"]
    ending = plan[(context.attempt - 1) % len(plan)]
    if ending == "fail" or Upstream.is_down:
        raise TransientError("planned")
    if ending == "dead":
        raise PermanentError("planned")
    if ending == "late":
        raise JobTimeoutException("planned")
    if ending == "snooze":
        context.snooze(30)


@job_handler
def deadlocked(context: JobContext) -> dict[str, Any] | None:
    """Adds a Note, loses it in a deadlock, catches the error, adds another, does what `then` says, adds a third."""
    title = context.parameters["title"]
    context.parameters["title"] = f"{title} 1"
    add_note(context)
    lose_a_deadlock()
    then = context.parameters["then"]
    context.parameters["title"] = f"{title} 2"
    add_note(context)
    if then == "rollback":
        frappe.db.rollback()
        add_note(context)
    elif then == "commit":
        frappe.db.commit()
    elif then == "checkpoint":
        context.checkpoint({"done": 1})
    context.parameters["title"] = f"{title} 3"
    return add_note(context)


DEADLOCK_ROWS = ("test-deadlock-a", "test-deadlock-b")


def lose_a_deadlock() -> None:
    """Over DEADLOCK_ROWS, against a transaction that has written more, which is why MariaDB undoes this one."""
    ours, theirs = DEADLOCK_ROWS
    insert = "INSERT INTO tabToDo (name, description) VALUES (%s, 'test')"
    lock = "SELECT 1 FROM tabToDo WHERE name = %s FOR UPDATE"
    with connector()() as other, other.cursor() as cursor:
        frappe.db.sql(lock, (ours,))
        cursor.execute("BEGIN")
        cursor.executemany(insert, [(f"test-deadlock-{n}",) for n in range(50)])
        cursor.execute(lock, (theirs,))
        waiting = threading.Thread(target=lambda: cursor.execute(lock, (ours,)))
        waiting.start()
        try:
            frappe.db.sql(lock, (theirs,))
        except frappe.QueryDeadlockError:
            pass
        else:
            raise AssertionError("no deadlock")
        waiting.join()
        cursor.execute("ROLLBACK")


@job_handler
def keeps_state(context: JobContext) -> dict[str, Any]:
    """Leaves a checkpoint and fails, or tells what checkpoint it found."""
    if context.parameters["fail"]:
        context.checkpoint({"done": 1})
        raise PermanentError("asked to fail")
    return {"state": context.state}


@job_handler
def gives(context: JobContext) -> dict[str, Any]:
    """Returns `value`."""
    return {"value": context.parameters["value"]}


@job_handler
def gather(context: JobContext) -> dict[str, Any]:
    """Tells what its parents returned, all of it and by the `keys`, and what it cost to ask twice."""
    with statements() as asked:
        results = context.parent_results
        by_key = [context.parent_results[key] for key in context.parameters["keys"]]
    return {"results": dict(results), "by_key": by_key, "statements": len(asked)}


@job_handler
def told(context: JobContext) -> dict[str, Any]:
    """Tells what a callback gets."""
    return {"batch_id": context.batch_id, "parameters": context.parameters}


@job_handler
def makes_file(context: JobContext) -> dict[str, Any]:
    """Attaches a file with `content`."""
    return {"output_reference": context.attach(context.parameters["content"], "A test & more.txt").file_url}


@job_handler
def makes_files(context: JobContext) -> None:
    """Follows the `steps` of this attempt: "keep" is a checkpoint, "fail" an error, "die" the worker's death, and any
    other word a file's name.

    The files hold the attempt's number.
    """
    for step in context.parameters["steps"][context.attempt - 1]:
        if step == "keep":
            context.checkpoint({"attempt": context.attempt})
        elif step == "fail":
            raise TransientError("asked to fail")
        elif step == "die":
            kill_itself(context)
        else:
            context.attach(str(context.attempt), step)


@job_handler
def reads_file(context: JobContext) -> dict[str, Any]:
    """Tells what is in the file `name` of the job `of`."""
    with open_file(context.parameters["of"], context.parameters["name"]) as file:
        return {"text": file.read().decode()}


HAS_BEATEN = "SELECT COUNT(*) FROM `tabBackground Job Run` WHERE name = %s AND lease_expires_epoch > 0"


@job_handler
def says(context: JobContext) -> dict[str, Any]:
    """Puts `text` into all that an attempt tells, and does not end before its run row is there."""
    text = context.parameters["text"]
    context.set_steps([text, "another"])
    context.update_progress(50, text, force=True)
    until(lambda: value(HAS_BEATEN, f"{context.job_id}-{context.attempt}"), what="a beat")
    for number in range(2):  # the second finds the row of the first
        context.checkpoint({"text": text, "number": number})
    then = context.parameters.get("then")
    if then == "fail":
        raise TransientError(text)
    if then == "fail_for_good":
        raise PermanentError(text)
    return {"output_reference": text, "said": text}


@job_handler
def starts_threads(context: JobContext) -> dict[str, str]:
    """Returns what comes of each call of its context in threads that it starts."""
    context.set_steps(["one", "two"])
    calls: dict[str, Callable[[], Any]] = {
        "log": lambda: context.log("from a thread"),
        "update_progress": lambda: context.update_progress(50, "half", force=True),
        "is_canceled": context.is_canceled,
        "next_step": context.next_step,
        "idempotency_key": lambda: context.idempotency_key,
        "remaining_seconds": lambda: context.remaining_seconds() > 0,
        "attach": lambda: context.attach("text", "a.txt"),
        "checkpoint": lambda: context.checkpoint(None),
        "parent_results": lambda: context.parent_results,
    }

    def told(call: Callable[[], Any]) -> str:
        try:
            return str(call())
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    with ThreadPoolExecutor(4) as pool:
        return {**dict(zip(calls, pool.map(told, calls.values()), strict=True)), "own key": context.idempotency_key}
