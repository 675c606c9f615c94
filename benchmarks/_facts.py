"""Where a benchmark runs: machine, versions, commit, as values."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def machine() -> dict[str, Any]:
    """The machine, how busy it is with other work (load of the last minute), and the date."""
    return {
        "date": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "cores": os.cpu_count(),
        "processor": _first(r"model name\s*: (.*)", "/proc/cpuinfo") or platform.machine(),
        "memory_gb": int(_first(r"MemTotal:\s*(\d+) kB", "/proc/meminfo") or 0) / 2**20,
        "load": os.getloadavg()[0],
        "system": platform.system(),
    }


def versions() -> dict[str, str]:
    """Of all that is involved, and the two settings of MariaDB that matter. Needs a connected site."""
    import frappe
    import redis
    import rq

    from tests.support.processes import queue_client

    name = "monoframe" if os.environ.get("DW_MODE") == "standalone" else "Frappe"
    return {
        "framework": f"{name} {frappe.__version__}",
        "python": platform.python_version(),
        "rq": rq.__version__,
        "redis_py": redis.__version__,
        "redis": queue_client().info("server")["redis_version"],
        **_database(),
    }


def _database() -> dict[str, str]:
    import frappe

    settings = dict(frappe.db.sql("SHOW GLOBAL VARIABLES WHERE Variable_name LIKE 'innodb\\_%'"))
    return {
        "mariadb": frappe.db.sql("SELECT VERSION()")[0][0].split("-")[0],
        "snapshot_isolation": settings.get("innodb_snapshot_isolation", "unknown"),
        "flush_log_at_trx_commit": settings.get("innodb_flush_log_at_trx_commit", "unknown"),
    }


def engine() -> dict[str, str]:
    """The app's version and commit; no commit outside of a clone."""
    from dartwing_core import __version__

    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True)
    return {"version": __version__, "commit": done.stdout.strip() if done.returncode == 0 else ""}


def _first(pattern: str, path: str) -> str | None:
    try:
        found = re.search(pattern, Path(path).read_text())
    except OSError:
        return None
    return found[1] if found else None
