"""`./dev coverage`: which lines and branches of the engine the tests reach, in their own process and in all that they
start (workers and their work-horses, the web application, the scheduler, the agent).

coverage.py saves what a process has reached when the process ends, also by `os._exit`, which ends a work-horse, and by
SIGTERM. Nothing is saved of a process that is killed with SIGKILL.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .site import ROOT
from .testing import MEASURE, test

FOLDER = ROOT / ".dev" / "coverage"


def coverage(arguments: list[str]) -> int:
    """Run the tests that the arguments name, then report; the pages of the report are in `.dev/coverage/html`."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    os.environ[MEASURE] = str(FOLDER / "data")
    status = test(arguments)
    report(FOLDER / "data", "combine", "--quiet")  # says so if a process was killed while it saved: no failure
    pages = report(FOLDER / "data", "html", "--quiet", f"--directory={FOLDER / 'html'}")
    return max(status, pages, report(FOLDER / "data", "report"))


def report(data: Path, command: str, *options: str) -> int:
    """Run a command of coverage.py on the data of this run."""
    start = [sys.executable, "-P", "-m", "coverage", command, f"--rcfile={ROOT / 'pyproject.toml'}"]
    return subprocess.run([*start, f"--data-file={data}", *options], cwd=ROOT).returncode
