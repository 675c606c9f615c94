"""The lines that a handler logs for people who watch its job."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..lib import clock

MOST_LINES = 200
LINE_LENGTH = 500
LEVELS = {**{name: name for name in ("debug", "info", "warning", "error")}, "warn": "warning", "critical": "error"}
"""The level of a line, by the word that the handler says. Python's `logging` knows these words."""


class AttemptLog:
    """The newest lines of an attempt. The handler's thread adds to them, and the heartbeat's reads them.

    `number`: how many lines there have been. Older ones than the newest MOST_LINES are dropped.
    """

    def __init__(self) -> None:
        self.number = 0
        self._lines: tuple[dict[str, str], ...] = ()  # replaced as a whole: another thread may read it
        self._now: Callable[[], str] | None = None

    def add(self, text: str, level: Any) -> None:
        """Add a line, cut to LINE_LENGTH characters. An unknown level is "info"."""
        self._now = self._now or clock.iso_clock()
        level = LEVELS.get(level.lower(), "info") if isinstance(level, str) else "info"
        line = {"logged_at": self._now(), "level": level, "text": text[:LINE_LENGTH]}
        self._lines = (*self._lines[1 - MOST_LINES :], line)
        self.number += 1

    def as_json(self) -> str | None:
        """The lines as stored on the run row. None without lines."""
        return json.dumps(self._lines) if self._lines else None
