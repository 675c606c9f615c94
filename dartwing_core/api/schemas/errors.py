"""Bodies of error answers."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from .common import Status


class Error(TypedDict):
    """The body of every error answer. `message` is for people, in their language."""

    error: Literal[
        "invalid",
        "wrong_state",
        "unauthorized",
        "forbidden",
        "not_found",
        "duplicate",
        "rate_limited",
        "queue_full",
        "busy",
        "internal",
    ]
    message: str
    exc_type: str


class DuplicateError(Error):
    """Names the equal job. Both fields are null if you may not see it."""

    existing_job_id: str | None
    status: Status | None


class RateError(Error):
    """`retry_after`: seconds, as in the header Retry-After."""

    retry_after: int
