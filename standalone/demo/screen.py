"""Where the demo writes: a terminal, or plain lines without control characters for a pipe or a CI log."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDEST = 100
INDENT = 4


class Screen:
    """Numbered sections, indented text, tables."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.console = Console(highlight=False, markup=False, emoji=False, force_terminal=self.is_terminal)
        self.console.width = min(self.console.width, WIDEST) if self.is_terminal else WIDEST
        self.sections = 0

    def introduce(self, text: str) -> None:
        self._write(Text(f"\n{text}"), indent=0)

    def heading(self, title: str) -> None:
        self.sections += 1
        self._write(Text(f"\n{self.sections} · {title}", style="bold"), indent=0)

    def gap(self) -> None:
        print(flush=True)

    def say(self, text: str) -> None:
        self._write(Text(text))

    def bullets(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._write(Text(f"- {line}"))

    def verbatim(self, lines: Iterable[str]) -> None:
        """Lines that lose their sense when they are wrapped: what is too long is cut."""
        for line in lines:
            self._write(Text(line, no_wrap=True, overflow="ellipsis"))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False) -> None:
        """`numbers`: all columns but the first hold numbers and go to the right."""
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
        for position, column in enumerate(columns):
            table.add_column(column, justify="right" if numbers and position else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._write(table)

    def _write(self, what: Any, indent: int = INDENT) -> None:
        what = Padding(what, (0, 0, 0, indent), expand=False)
        if self.is_terminal:
            self.console.print(what)
            return
        with self.console.capture() as captured:
            self.console.print(what)
        for line in captured.get().splitlines():
            print(line.rstrip(), flush=True)  # rich fills lines up with spaces


def plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
