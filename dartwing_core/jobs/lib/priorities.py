"""Priorities of jobs: which queue they take, and how far ahead of others they start."""

from __future__ import annotations

PRIORITIES = ("Low", "Normal", "High", "Critical")
QUEUE_OF_PRIORITY = {"Critical": "short", "High": "short", "Normal": "default", "Low": "long"}
"""The queue of a job whose Job Type names none."""
HEAD_START_SECONDS = {"Critical": 86_400, "High": 3_600, "Normal": 0, "Low": -3_600}
"""Seconds by which a priority is ahead of a Normal job of the same organization that is due then.

Low waits longer, but not for ever.
"""
HEAD_START_TURNS = {"Critical": 8.0, "High": 2.0, "Normal": 0.0, "Low": -2.0}
"""Turns by which a priority is ahead of Normal jobs of other organizations."""


def rank(due_epoch: float, priority: str) -> float:
    """The rank of a job in its organization's line. The lowest is next."""
    return due_epoch - HEAD_START_SECONDS[priority]
