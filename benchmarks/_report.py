"""The output of a benchmark: where it ran, a table, and how each target was met. `all` gets these rows too."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks import _facts


@dataclass(frozen=True)
class Row:
    """One figure of a benchmark."""

    benchmark: str
    text: str
    value: float | None = None
    """None if it could not be measured; `why` says the reason."""
    limit: float | None = None
    """None if there is no target."""
    unit: str = ""
    is_least: bool = False
    """Whether the limit is the least that `value` may be; otherwise it is the most."""
    why: str = ""
    is_broken: bool = False
    """Whether the benchmark ended with an error."""

    @property
    def verdict(self) -> str:
        """PASS, FAIL, SKIP, or nothing where there is no target."""
        if self.value is None:
            return "FAIL" if self.is_broken else "SKIP"
        if self.limit is None:
            return ""
        is_met = self.value >= self.limit if self.is_least else self.value <= self.limit
        return "PASS" if is_met else "FAIL"

    @property
    def target(self) -> str:
        """The target in words."""
        if self.limit is None:
            return ""
        return f"at {'least' if self.is_least else 'most'} {_text(self.limit)}{self.unit}"

    @property
    def figure(self) -> str:
        """The value in words, or why there is none."""
        return self.why if self.value is None else f"{_text(self.value)}{self.unit}"

    @property
    def line(self) -> str:
        """The row as it is printed."""
        target = f" ({self.target})" if self.target else ""
        return f"{self.verdict:4}  {self.text}: {self.figure}{target}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": self.verdict}


class Report:
    """Printed as it grows; `exit` ends the process with status 1 if a target was missed."""

    def __init__(self, title: str) -> None:
        self.name = title.partition(":")[0]
        self.rows: list[Row] = []
        print(f"{title}\n")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """The first column is text, the others are numbers."""
        cells = [list(map(str, head)), *([_text(cell) for cell in row] for row in rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
        for line in cells:
            numbers = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
            print("  ".join([line[0].ljust(widths[0]), *numbers]).rstrip())
        print(flush=True)

    def target(self, text: str, value: float, limit: float, unit: str = "") -> None:
        """One line with PASS if `value` is at most `limit`, else FAIL."""
        self._add(Row(self.name, text, value, limit, unit))

    def at_least(self, text: str, value: float, limit: float, unit: str = "") -> None:
        """One line with PASS if `value` is at least `limit`, else FAIL."""
        self._add(Row(self.name, text, value, limit, unit, is_least=True))

    def figure(self, text: str, value: float, unit: str = "") -> None:
        """One line with a figure that has no target."""
        self._add(Row(self.name, text, value, unit=unit))

    def skip(self, text: str, why: str) -> None:
        """One line that says why a figure is missing."""
        self._add(Row(self.name, text, why=why))

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        print(row.line, flush=True)

    def exit(self) -> None:
        sys.exit(1 if any(row.verdict == "FAIL" for row in self.rows) else 0)


def where() -> str:
    """Machine, versions and date, in a few lines. Needs a connected site."""
    return "\n".join((machine(), _versions(), engine())) + "\n"


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def machine() -> str:
    """The machine, how busy it is with other work, and the date."""
    found = _facts.machine()
    return (
        f"{found['date']}: {found['cores']} cores ({found['processor']}), {found['memory_gb']:.0f} GB,"
        f" load {found['load']:.1f}, {found['system']}"
    )


def _versions() -> str:
    found = _facts.versions()
    settings = (
        f"snapshot_isolation {found['snapshot_isolation']}, flush_log_at_trx_commit {found['flush_log_at_trx_commit']}"
    )
    parts = (
        found["framework"],
        f"Python {found['python']}",
        f"RQ {found['rq']}",
        f"redis-py {found['redis_py']}",
        f"Redis {found['redis']}",
        f"MariaDB {found['mariadb']} ({settings})",
    )
    return ", ".join(parts)


def engine() -> str:
    """The app's version and commit."""
    found = _facts.engine()
    return f"dartwing_core {found['version']}" + (f", commit {found['commit']}" if found["commit"] else "")


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
