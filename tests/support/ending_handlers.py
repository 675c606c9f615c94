"""A handler for tests whose decorator names what follows its failures. Tests name this module in the configuration."""

from __future__ import annotations

from typing import Literal

import frappe

from dartwing_core.jobs import JobContext, PermanentError, job_handler

HEARD: list[tuple[str, dict[str, str]]] = []
"""What `hear` was told, with the user as whom it ran."""
CLEANED: list[str] = []


def clean_up(context: JobContext, customer: str, then: str = "end") -> None:
    """Cleans up, with the job's parameters."""
    CLEANED.append(f"{context.job_id} {customer} {then}")


def hear(event: str, **told: str) -> None:
    """Hears of the end."""
    HEARD.append((event, {**told, "user": frappe.session.user}))


@job_handler(
    "test_statement", timeout=1, max_retries=0, deduplication="Never", on_timeout=clean_up, on_dead_letter=hear
)
def send_statement(context: JobContext, customer: str, then: Literal["end", "fail"] = "end") -> None:
    """Sends a statement."""
    if then == "fail":
        raise PermanentError("no address")
