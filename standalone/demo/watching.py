"""The jobs while they run: a live view on a terminal, otherwise a line now and then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dartwing_core.jobs import JobStatus

from .screen import INDENT, Screen

REFRESH_SECONDS = 0.2
LINE_EVERY = 3.0
LINES = 5

ENDED = frozenset({JobStatus.COMPLETED, JobStatus.DEAD_LETTER, JobStatus.CANCELED})
RETRYING = frozenset({JobStatus.FAILED, JobStatus.TIMED_OUT})
GROUPS = {
    "waiting": {JobStatus.PENDING, JobStatus.QUEUED},
    "running": {JobStatus.RUNNING},
    "retrying": RETRYING,
    "completed": {JobStatus.COMPLETED},
    "dead letter": {JobStatus.DEAD_LETTER},
    "canceled": {JobStatus.CANCELED},
}


@dataclass
class Board:
    """The jobs as `list_jobs` last told them, with the names that the demo has for them."""

    names: dict[str, str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def name(self, row: dict[str, Any]) -> str:
        return self.names[row["job_id"]]

    def having(self, *statuses: JobStatus) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["status"] in statuses]

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def ended(self) -> int:
        return len(self.having(*ENDED))

    @property
    def all_ended(self) -> bool:
        return self.ended == len(self.names)

    def counters(self) -> str:
        statuses = Counter(row["status"] for row in self.rows)
        return "  ".join(f"{name} {sum(statuses[status] for status in group)}" for name, group in GROUPS.items())


class LiveView:
    """Redraws itself in place and fits a terminal of 80 by 24."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def update(self, board: Board) -> None:
        self.live.update(Padding(picture(board), (0, 0, 0, INDENT)), refresh=True)


class PlainView:
    """Prints what happens to a job besides success, and how all of them stand every few seconds."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.last_line = 0.0
        self.told: set[tuple[str, str, int]] = set()

    def update(self, board: Board) -> None:
        for row in board.having(*RETRYING, JobStatus.DEAD_LETTER, JobStatus.CANCELED):
            event = (row["job_id"], row["status"], row["retry_count"])
            if event not in self.told:
                self.told.add(event)
                self.screen.verbatim([f"{board.seconds:5.1f} s  {board.name(row)}: {remark(row)}"])
        if board.all_ended or time.monotonic() - self.last_line >= LINE_EVERY:
            self.last_line = time.monotonic()
            self.screen.say(f"{board.seconds:5.1f} s  {board.counters()}")


@contextmanager
def view(screen: Screen) -> Iterator[LiveView | PlainView]:
    """The way to watch that this screen allows."""
    if not screen.is_terminal:
        yield PlainView(screen)
        return
    with Live(console=screen.console, auto_refresh=False) as live:
        yield LiveView(live)


def picture(board: Board) -> Group:
    """Overall bar, counters, and what is not simply waiting or done."""
    total = Table.grid(padding=(0, 2, 0, 0))
    bar = ProgressBar(total=max(1, len(board.names)), completed=board.ended, width=40)
    total.add_row(bar, f"{board.ended} of {len(board.names)} ended", f"{board.seconds:.0f} s")
    parts: list[Any] = [total, Text(board.counters())]
    parts += section("Running", [running(board, row) for row in board.having(JobStatus.RUNNING)])
    retrying = sorted(board.having(*RETRYING), key=lambda row: row["next_retry_at"] or "")
    parts += section("Waiting for their retry", [(board.name(row), remark(row)) for row in retrying])
    given_up = board.having(JobStatus.DEAD_LETTER, JobStatus.CANCELED)
    parts += section("Not completed", [(board.name(row), remark(row)) for row in given_up])
    return Group(*parts)


def section(title: str, lines: list[tuple[Any, ...]]) -> list[Any]:
    if not lines:
        return []
    grid = Table.grid(padding=(0, 2, 0, 0))
    for line in lines[:LINES]:
        cells = [Text(cell, no_wrap=True, overflow="ellipsis") if isinstance(cell, str) else cell for cell in line]
        grid.add_row(*cells)
    more = [Text(f"and {len(lines) - LINES} more", style="dim")] if len(lines) > LINES else []
    return [Text(), Text(title, style="bold"), grid, *more]


def running(board: Board, row: dict[str, Any]) -> tuple[Any, ...]:
    progress = row["progress"] or 0
    bar = ProgressBar(total=100, completed=progress, width=20)
    return board.name(row), bar, f"{progress:3.0f} %", row["progress_message"] or ""


def remark(row: dict[str, Any]) -> str:
    """A job's state in words, with its error."""
    error = f": {row['error_message']}" if row["error_message"] else ""
    if row["status"] not in RETRYING:
        return row["status"] + error
    when = ""
    if row["next_retry_at"]:
        due = datetime.fromisoformat(row["next_retry_at"])
        seconds = (due - datetime.now(due.tzinfo)).total_seconds()
        when = f" in {seconds:.1f} s" if seconds > 0 else " now"
    return f"retry {row['retry_count']}{when}{error}"
