"""`./dev lint`: what can be said of the code without running it. `.pre-commit-config.yaml` calls the same checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from .processes import Failed
from .site import ROOT

CHECKS = {
    "ruff": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "imports": ["lint-imports", "--no-cache"],
    "dead-code": ["vulture"],
    "javascript": ["oxlint", "--deny-warnings", "dartwing_core"],
    "docs": ["mkdocs", "build", "--strict", "--quiet"],
}
"""Programs of the virtual environment, at the versions of the lock, with their arguments."""
NAMED_BY_TEXTS = re.compile(r"unused (attribute|variable '[a-z])")
"""vulture's words for attributes and fields, which Frappe and libraries read by a text."""


def lint(names: list[str]) -> int:
    """Run these checks, all by default; each of them runs, so that one look shows all there is to mend."""
    if unknown := [name for name in names if name not in CHECKS]:
        raise Failed(f"{unknown[0]} is no check. There are: {', '.join(CHECKS)}.")
    return max([dead_code() if name == "dead-code" else run(*CHECKS[name]).returncode for name in names or CHECKS])


def dead_code() -> int:
    """Print the functions, classes and constants that nothing calls by name; 1 if there are any."""
    found = run(*CHECKS["dead-code"], stdout=subprocess.PIPE).stdout.splitlines()
    dead = [line for line in found if not NAMED_BY_TEXTS.search(line)]
    print(*dead, sep="\n", end="\n" * bool(dead))
    return int(bool(dead))


def run(program: str, *arguments: str, stdout: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program of the virtual environment in the checkout."""
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # of the theme, in every build
    command = [Path(sys.executable).with_name(program), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=stdout, text=True)
