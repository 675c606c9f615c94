"""Pauses that keep jobs from starting, for the whole site or for a queue."""

from __future__ import annotations

from collections.abc import Iterable

import frappe

from ..lib import config
from ..lib.row_types import Row

MAINTENANCE, EVERYTHING, QUEUE = "maintenance", "everything", "queue"


def is_paused(queue: str | None = None) -> bool:
    """Whether no job of this queue may start. Without a queue: whether no job at all may start."""
    return pause_in_force(queue) is not None


def not_paused(rows: Iterable[Row]) -> list[Row]:
    """The rows whose `queue` is not paused. Checks each queue once."""
    rows = list(rows)
    paused = {queue for queue in {row["queue"] for row in rows} if is_paused(queue)}
    return [row for row in rows if row["queue"] not in paused]


def pause_in_force(queue: str | None = None) -> str | None:
    """The pause that keeps jobs of this queue (or of any) from starting: MAINTENANCE, EVERYTHING or QUEUE, or None."""
    settings = config.settings()
    if frappe.conf.maintenance_mode:
        return MAINTENANCE
    if settings.is_paused:
        return EVERYTHING
    return QUEUE if queue in config.parse_names(settings.paused_queues) else None
