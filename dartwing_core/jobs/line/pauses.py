"""What keeps jobs from starting for the whole site or for a queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict, TypeVar

import frappe

from ..base import config

MAINTENANCE, EVERYTHING, QUEUE = "maintenance", "everything", "queue"


def is_paused(queue: str | None = None) -> bool:
    """Whether nothing of this queue may start; without a queue, whether nothing at all may."""
    return pause_in_force(queue) is not None


class Queued(TypedDict):
    """A row of a job, or of a line of jobs."""

    queue: str


Row = TypeVar("Row", bound=Queued)


def not_paused(rows: Iterable[Row]) -> list[Row]:
    """Those of the rows of whose `queue` something may start; asked once for each queue."""
    rows = list(rows)
    paused = {queue for queue in {row["queue"] for row in rows} if is_paused(queue)}
    return [row for row in rows if row["queue"] not in paused]


def pause_in_force(queue: str | None = None) -> str | None:
    """MAINTENANCE, EVERYTHING or QUEUE, whichever keeps jobs of this queue (or of any) from starting; None if none."""
    settings = config.settings()
    if frappe.conf.maintenance_mode:
        return MAINTENANCE
    if settings.is_paused:
        return EVERYTHING
    return QUEUE if queue in settings.paused_queues else None
