"""Several sessions on the site at once, each with a connection of its own."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import frappe
from frappe.model.document import Document

from tests.support import attempts

T = TypeVar("T")


def in_parallel(actions: Sequence[Callable[[], T]], seconds: float = 60) -> list[T | BaseException]:
    """Run the actions at the same time, each in a thread with a Frappe session; their results or exceptions."""
    results: list[T | BaseException | None] = [None] * len(actions)
    barrier = threading.Barrier(len(actions))

    def one(index: int) -> None:
        frappe.init(os.environ["DW_SITE"], sites_path=os.environ["DW_SITES_PATH"])
        frappe.connect()
        frappe.flags.in_test = True
        try:
            barrier.wait(seconds)
            results[index] = actions[index]()
        except BaseException as error:
            results[index] = error
        finally:
            frappe.destroy()

    threads = [threading.Thread(target=contextvars.Context().run, args=(one, index)) for index in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
        assert not thread.is_alive(), "a session hangs"
    return results  # type: ignore[return-value]


def in_rounds(rounds: int, actions: Sequence[Callable[[int], T]], seconds: float = 600) -> list[list[T]]:
    """For each round, what the actions returned that all sessions did at the same time. A session lives for all rounds.

    An action gets the number of the round. Fails with the first exception.
    """
    start = threading.Barrier(len(actions))

    def play(act: Callable[[int], T]) -> list[T]:
        results = []
        try:
            for number in range(rounds):
                start.wait(60)
                results.append(act(number))
                frappe.db.rollback()
        except BaseException:
            start.abort()  # the others wait for nobody
            raise
        return results

    found = in_parallel([partial(play, act) for act in actions], seconds)
    errors = [error for error in found if isinstance(error, BaseException)]
    assert not errors, [error for error in errors if not isinstance(error, threading.BrokenBarrierError)] or errors
    return [list(of_round) for of_round in zip(*found, strict=True)]


def as_user(user: str, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Call the function as this user; Administrator is logged in again afterwards."""
    frappe.set_user(user)
    try:
        return function(*arguments, **named)
    finally:
        frappe.set_user("Administrator")


def committed(operation: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """Do it and commit; the answer."""
    answer = operation(*arguments, **more)
    frappe.db.commit()
    return answer


def elsewhere(operation: Callable[..., Any], *arguments: Any, **more: Any) -> None:
    """Do it in another session, and commit."""
    (result,) = in_parallel([lambda: committed(operation, *arguments, **more)])
    if isinstance(result, BaseException):
        raise result


class Meanwhile:
    """Something that another session does while this one goes on."""

    def __init__(self, action: Callable[[], Any]):
        self._answer: list[Any] = []
        self._thread = threading.Thread(target=lambda: self._answer.extend(in_parallel([action])))
        self._thread.start()

    def answer(self) -> Any:
        """What it returned or raised, once it is done."""
        self._thread.join(60)
        return self._answer[0]


def look() -> None:
    """From now on this transaction sees the database as it is at this moment; and it has work of its own."""
    frappe.db.commit()
    frappe.get_doc({"doctype": "Note", "title": "test caller", "public": 1}).insert(ignore_permissions=True)
    frappe.db.sql("SELECT COUNT(*) FROM `tabBackground Job`")


def claimed(made: Document) -> None:
    """A worker claims the job, in another session."""
    elsewhere(attempts.taken, made.name, 1)
