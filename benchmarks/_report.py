"""The output of a benchmark: where it ran, a table, and how each target was met. `all` gets these rows too."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import frappe
import redis
import rq

from dartwing_core import __version__
from tests.support.processes import queue_client

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ("innodb_snapshot_isolation", "innodb_flush_log_at_trx_commit")


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


class Report:
    """Printed as it grows."""

    def __init__(self, title: str) -> None:
        self.name = title.partition(":")[0]
        self.rows: list[Row] = []
        print(f"{title}\n")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """The first column is text, the others are numbers."""
        cells = [list(map(str, head)), *([_text(cell) for cell in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for first, *others in cells:
            numbers = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
            print("  ".join([first.ljust(widths[0]), *numbers]).rstrip())
        print(flush=True)

    def add(self, text: str, value: float | None, limit: float | None = None, unit: str = "", **more: Any) -> None:
        """One line, with PASS or FAIL if there is a limit: at most that, or with `is_least` at least."""
        row = Row(self.name, text, value, limit, unit, **more)
        self.rows.append(row)
        print(f"{row.verdict:4}  {text}: {row.figure}" + (f" ({row.target})" if row.target else ""), flush=True)


def main(run: Callable[..., Report]) -> None:
    """Run a benchmark with the numbers of the command line as arguments. Status 1 if a target was missed."""
    rows = run(*map(int, sys.argv[1:])).rows
    sys.exit(any(row.verdict == "FAIL" for row in rows))


def facts() -> dict[str, Any]:
    """When and where it runs, and how busy the machine is with other work. Needs a connected site."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "date": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "cores": os.cpu_count(),
        "processor": processor[1] if processor else platform.machine(),
        "GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load": round(os.getloadavg()[0], 1),
        "monoframe" if os.environ.get("DW_MODE") == "standalone" else "Frappe": frappe.__version__,
        "Python": platform.python_version(),
        "RQ": rq.__version__,
        "redis-py": redis.__version__,
        "Redis": queue_client().info("server")["redis_version"],
        "MariaDB": frappe.db.sql("SELECT VERSION()")[0][0].split("-")[0],
        **dict(frappe.db.sql("SHOW GLOBAL VARIABLES WHERE Variable_name IN %s", (SETTINGS,))),
        "dartwing_core": __version__,
        "commit": subprocess.run(command, capture_output=True, text=True).stdout.strip(),
    }


def where() -> str:
    """The same, to be printed."""
    return textwrap.fill(", ".join(f"{name} {value}" for name, value in facts().items()), 120) + "\n"


def spread(values: Sequence[float]) -> list[float]:
    """Median, 95th percentile and most, as tables show them."""
    return [statistics.median(values), percentile(values, 95), max(values)]


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
