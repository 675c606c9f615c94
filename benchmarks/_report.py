"""What a benchmark prints: where it ran, a table, and how each target was met."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Report:
    """Printed as it grows; `exit` ends the process with status 1 if a target was missed."""

    def __init__(self, title: str) -> None:
        self.missed = 0
        print(f"{title}\n")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """The first column is text, the others are numbers."""
        cells = [list(map(str, head)), *([_text(cell) for cell in row] for row in rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
        for line in cells:
            numbers = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
            print("  ".join([line[0].ljust(widths[0]), *numbers]).rstrip())
        print()

    def target(self, text: str, value: float, limit: float, unit: str = "") -> None:
        """One line with PASS if `value` is at most `limit`, else FAIL."""
        met = value <= limit
        self.missed += not met
        print(f"{'PASS' if met else 'FAIL'}  {text}: {_text(value)}{unit} (at most {_text(limit)}{unit})")

    def exit(self) -> None:
        sys.exit(1 if self.missed else 0)


def where() -> str:
    """Machine, versions and date, in a few lines. Needs a connected site."""
    return "\n".join((machine(), _versions(), engine())) + "\n"


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def machine() -> str:
    """The machine, how busy it is with other work, and the date."""
    model = _first(r"model name\s*: (.*)", "/proc/cpuinfo") or platform.machine()
    memory = int(_first(r"MemTotal:\s*(\d+) kB", "/proc/meminfo") or 0) / 2**20
    date = datetime.now().strftime("%Y-%m-%d %H:%M")
    load = os.getloadavg()[0]
    return f"{date}: {os.cpu_count()} cores ({model}), {memory:.0f} GB, load {load:.1f}, {platform.system()}"


def _versions() -> str:
    import frappe
    import redis
    import rq

    from tests.support.processes import queue_client

    framework = "monoframe" if os.environ.get("DW_MODE") == "standalone" else "Frappe"
    parts = (
        f"{framework} {frappe.__version__}",
        f"Python {platform.python_version()}",
        f"RQ {rq.VERSION}",
        f"redis-py {redis.__version__}",
        f"Redis {queue_client().info('server')['redis_version']}",
        f"MariaDB {_database()}",
    )
    return ", ".join(parts)


def _database() -> str:
    import frappe

    settings = dict(frappe.db.sql("SHOW GLOBAL VARIABLES WHERE Variable_name LIKE 'innodb\\_%'"))
    version = frappe.db.sql("SELECT VERSION()")[0][0].split("-")[0]
    isolation = settings.get("innodb_snapshot_isolation", "unknown")
    flush = settings.get("innodb_flush_log_at_trx_commit")
    return f"{version} (snapshot_isolation {isolation}, flush_log_at_trx_commit {flush})"


def engine() -> str:
    """The app's version and commit."""
    from dartwing_core import __version__

    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True)
    return f"dartwing_core {__version__}" + (f", commit {done.stdout.strip()}" if done.returncode == 0 else "")


def _first(pattern: str, path: str) -> str | None:
    try:
        found = re.search(pattern, Path(path).read_text())
    except OSError:
        return None
    return found[1] if found else None


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
