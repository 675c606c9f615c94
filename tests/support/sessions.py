"""Several sessions on the site at once, each with a connection of its own."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import frappe

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


def as_user(user: str, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Call the function as this user; Administrator is logged in again afterwards."""
    frappe.set_user(user)
    try:
        return function(*arguments, **named)
    finally:
        frappe.set_user("Administrator")
