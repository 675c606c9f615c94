"""Handlers for tests that are classes. Tests name this module in the site's configuration."""

from __future__ import annotations

from typing import Any, Literal

import frappe

from dartwing_core.jobs import JobContext, PermanentError, job_handler

HEARD: list[tuple[str, dict[str, str]]] = []
"""What `on_dead_letter` was told, with the user as whom it ran."""
CLEANED: list[str] = []


@job_handler("test_class_statement", timeout=1, max_retries=0, deduplication="Never")  # type: ignore[arg-type]  # its type is for functions
class SendStatement:
    """Sends a statement."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def run(self, context: JobContext, customer: str, then: Literal["end", "fail"] = "end") -> dict[str, Any]:
        """The work."""
        self.lines.append(customer)
        if then == "fail":
            raise PermanentError("no address")
        return {"lines": self.lines, "user": frappe.session.user}

    def on_timeout(self, context: JobContext, customer: str, then: str = "end") -> None:
        """Cleans up."""
        CLEANED.append(f"{context.job_id} {customer} {then} {self.lines}")

    def on_dead_letter(self, event: str, **told: str) -> None:
        """Hears of the end."""
        HEARD.append((event, {**told, "user": frappe.session.user}))


@job_handler("test_class_plain", deduplication="Never")  # type: ignore[arg-type]  # its type is for functions
class Plain:
    """Has nothing but its work."""

    def run(self, context: JobContext) -> None:
        """Nothing."""
