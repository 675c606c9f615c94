"""Functions of an app that calls `frappe.enqueue`, and now `dartwing_core.jobs.enqueue`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import frappe

from dartwing_core.jobs import PermanentError, Secret, current, enqueueable

NAME = __name__


@enqueueable
def send(customer: str, amount: float = 0, **more: Any) -> dict[str, Any]:
    """Tells with what it was called, as whom, and within which job."""
    context = current()
    if context:
        context.update_progress(50, "half way")
    told = {"customer": customer, "amount": amount, "user": frappe.session.user, **more}
    return told | {"job": context.job_id if context else None}


def by_pattern(n: int) -> int:
    """Registered by a pattern alone."""
    return n + 1


def by_token(token: Secret[str]) -> None:
    """Takes what `enqueue` could not encrypt."""


def with_connection(function: Callable[[str, str], str]) -> Callable[[str], str]:
    """A decorator of an app, which gives an argument itself."""

    @functools.wraps(function)
    def call(customer: str) -> str:
        return function("connected", customer)

    return call


@enqueueable
@with_connection
def wrapped(connection: str, customer: str) -> str:
    """Is called with a customer alone."""
    return f"{connection} {customer}"


def not_registered() -> None:
    """Registered by nobody."""


@enqueueable
def refuse() -> None:
    """Fails for good."""
    raise PermanentError("refused")
