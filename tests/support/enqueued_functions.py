"""Functions of an app that calls `frappe.enqueue`, and now `dartwing_core.jobs.enqueue`."""

from __future__ import annotations

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


def not_registered() -> None:
    """Registered by nobody."""


@enqueueable
def refuse() -> None:
    """Fails for good."""
    raise PermanentError("refused")
