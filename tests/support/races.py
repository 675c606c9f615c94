"""What another session does while this one goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import frappe
from frappe.model.document import Document

from tests.support import attempts
from tests.support.sessions import in_parallel


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
