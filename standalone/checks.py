"""`./dev lint`: what can be said of the code without running it. `.pre-commit-config.yaml` calls the same checks."""

from __future__ import annotations

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
    "circles": ["python", "-P", "-m", "standalone.import_circles"],
    "dead-code": ["python", "-P", "-m", "standalone.dead_code"],
    "javascript": ["oxlint", "--deny-warnings", "dartwing_core"],
}
"""Programs of the virtual environment, at the versions of the lock, with their arguments."""


def lint(names: list[str]) -> int:
    """Run these checks, all by default; each of them runs, so that one look shows all there is to mend."""
    if unknown := [name for name in names if name not in CHECKS]:
        raise Failed(f"{unknown[0]} is no check. There are: {', '.join(CHECKS)}.")
    return max([run(*CHECKS[name]) for name in names or CHECKS])


def run(program: str, *arguments: str) -> int:
    return subprocess.run([Path(sys.executable).parent / program, *arguments], cwd=ROOT).returncode
