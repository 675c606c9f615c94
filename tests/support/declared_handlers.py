"""Handlers for tests whose Job Types are declared in code. Tests name this module in the site's configuration."""

from __future__ import annotations

from dartwing_core.jobs import JobContext, PermanentError, job_handler


def clean_up(context: JobContext) -> None:
    """After a time limit."""


@job_handler(
    "test_declared",
    timeout=120,
    max_retries=3,
    priority="High",
    retry_delays=[10, 60],
    retry_on=[ConnectionError, "BadZipFile"],
    never_retry_on=[PermanentError],
    rate_limit=7,
    max_concurrent=2,
    deduplication_window=0,
    own_process=True,
    on_timeout=clean_up,
)
def declared(context: JobContext, customer: str) -> dict[str, str]:
    """Sends what a customer
    owes.

    Not part of the description.
    """
    return {"customer": customer}
