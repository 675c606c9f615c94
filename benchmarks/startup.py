"""How long `./dev` needs on a machine that has never run it, and how long the next time.

The first start gets an empty cache folder: virtual environment, downloads (pip's cache lies in that folder too), site
installed from nothing. With `--tests` it is the whole first `./dev test`, else `./dev prepare`. Where MariaDB or Redis
are missing, their installation counts too; elsewhere it does not. A later start is timed up to the first line of a
script in a site with two workers and a scheduler.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import _report  # noqa: E402

LATER_STARTS = 3
FIRST_LIMIT, LATER_LIMIT = 360, 10


def environment(cache: str) -> dict[str, str]:
    """Ours, without what a running site has put into it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DW_", "FRAPPE_")) and k != "PYTHONPATH"}
    return kept | {"XDG_CACHE_HOME": cache}


def first_start(cache: str, command: list[str]) -> tuple[float, int]:
    """Seconds, and the command's status."""
    began = time.monotonic()
    done = subprocess.run([str(ROOT / "dev"), *command], env=environment(cache), stdout=sys.stderr)
    return time.monotonic() - began, done.returncode


def later_start(cache: str, script: Path) -> tuple[float, float]:
    """Seconds up to the script's first line, and to the end of everything."""
    began = time.monotonic()
    command = [str(ROOT / "dev"), "run", str(script)]
    with subprocess.Popen(command, env=environment(cache), stdout=subprocess.PIPE) as process:
        line = process.stdout.readline() if process.stdout else b""
        ready = time.monotonic() - began
    if process.returncode or line != b"ready\n":
        sys.exit(f"./dev run ended with status {process.returncode}.")
    return ready, time.monotonic() - began


def main() -> None:
    report = _report.Report("startup: the first start with an empty cache, and later ones")
    print(f"{_report.machine()}\n{_report.engine()}\n")
    command = ["test", "-q"] if "--tests" in sys.argv else ["prepare"]
    cache = tempfile.mkdtemp(prefix="dartwing-startup-")
    try:
        first, status = first_start(cache, command)
        script = Path(cache) / "ready.py"
        script.write_text('print("ready", flush=True)\n')
        later = [later_start(cache, script) for _ in range(LATER_STARTS)]
        size = sum(file.lstat().st_blocks * 512 for file in Path(cache).rglob("*")) / 2**20
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    ready, total = max(start[0] for start in later), max(start[1] for start in later)
    rows = [
        [f"first, ./dev {command[0]}", first, ""],
        [f"later, worst of {LATER_STARTS}", ready, total],
    ]
    report.table(["seconds", "to ready", "to the end"], rows)
    print(f"The cache then holds {size:.0f} MB.\n")
    report.target(f"status of ./dev {command[0]}", status, 0)
    report.target(f"first ./dev {command[0]}", first, FIRST_LIMIT, " s")
    report.target("later start", ready, LATER_LIMIT, " s")
    report.exit()


if __name__ == "__main__":
    main()
