"""`./dev mutate [MODULE…]`: whether the unit tests notice small changes of the engine's pure modules.

cosmic-ray makes the changes, in a copy of the checkout for each module. Nothing here needs a site. CONTRIBUTING.md has
the figures.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .launcher import run_folder
from .processes import RUN_DIR, Failed
from .site import ROOT

SECONDS = 90
"""A mutant whose tests take longer is one that never ends."""
USELESS = ("core/ReplaceBinaryOperator_BitOr", "core/ReplaceBinaryOperator_Mul", "core/ReplaceBinaryOperator_Pow")
"""Operators that change annotations (`int | None`) and the stars of parameters."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A module to be changed, and its unit tests."""

    tests: Sequence[str]
    only: Sequence[str] = ()
    """The functions that may be changed; all by default."""


SUBJECTS = {
    "status": Subject(["status"]),
    "job.record": Subject(["transitions"], ["start", "end", "_move", "_move_all", "_checked", "_by_size"]),
    "run.outcome": Subject(["backoff"], ["calculate_backoff", "next_delay"]),
    "lib.canonical": Subject(["canonical"]),
    "line.turns": Subject(["selection", "turns"]),
    "line.limits": Subject(["limits"], ["__init__", "fits", "caps_of", "lock_caps", "find_reached"]),
}


def mutate(names: list[str]) -> int:
    """Run the unit tests against each mutant of these modules, all by default, and print the survivors."""
    if unknown := [name for name in names if name not in SUBJECTS]:
        raise Failed(f"{unknown[0]} is none of {', '.join(SUBJECTS)}.")
    os.nice(5)
    with ThreadPoolExecutor(os.cpu_count()) as threads, run_folder() as folder:
        for text in threads.map(lambda name: mutants_of(name, folder / name), names or SUBJECTS):
            print(text, flush=True)
    return 0


def mutants_of(name: str, folder: Path) -> str:
    """Test the mutants of a module in a copy of the checkout. Returns how many survive, and which."""
    for part in ("dartwing_core", "docs", "standalone", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "public"))
    for part in ("sites", "logs"):  # Frappe writes its logs beside the sites
        (folder / part).mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    write_configuration(name, folder)
    cosmic_ray(folder, "init", "c.toml", "session")
    with sqlite3.connect(folder / "session") as session:
        remove_others(session, SUBJECTS[name].only)
    cosmic_ray(folder, "baseline", "c.toml")
    cosmic_ray(folder, "exec", "c.toml", "session")
    with sqlite3.connect(folder / "session") as session:
        [[count]] = session.execute("SELECT COUNT(*) FROM work_results")
        survivors = session.execute(
            "SELECT start_pos_row, diff FROM work_results JOIN mutation_specs USING (job_id)"
            " WHERE test_outcome = 'SURVIVED' ORDER BY 1"
        ).fetchall()
    lines = [f"{name}: {count} mutants, {len(survivors)} survive"]
    for row, diff in survivors:
        lines += [f"  {row}:", *(f"    {line}" for line in diff.splitlines()[2:] if line.startswith(("+", "-")))]
    return "\n".join(lines)


def write_configuration(name: str, folder: Path) -> None:
    """Say to cosmic-ray what it changes, and how the tests run."""
    tests = [f"tests/unit/test_{test}.py" for test in SUBJECTS[name].tests]
    pytest = [sys.executable, "-P", "-m", "pytest", "-xq", "-p", "no:cacheprovider", "-p", "standalone.pytest_plugin"]
    config = {
        "module-path": f"dartwing_core/jobs/{name.replace('.', '/')}.py",
        "timeout": SECONDS,
        "test-command": shlex.join([*pytest, f"--rootdir={folder}", *tests]),
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in config.items()]
    (folder / "c.toml").write_text("\n".join(["[cosmic-ray]", *lines, "distributor.name = 'local'", ""]))


def remove_others(session: sqlite3.Connection, only: Sequence[str]) -> None:
    """Remove the mutants of other functions than these, and those of useless operators."""
    marks = ", ".join("?" * len(only))
    others = f"definition_name IS NULL OR definition_name NOT IN ({marks})" if only else "FALSE"
    useless = " OR ".join("operator_name LIKE ? || '%'" for _name in USELESS)
    session.execute(f"DELETE FROM mutation_specs WHERE {others} OR {useless}", [*only, *USELESS])
    session.execute("DELETE FROM work_items WHERE job_id NOT IN (SELECT job_id FROM mutation_specs)")


def cosmic_ray(folder: Path, *arguments: str) -> None:
    """Run a command of cosmic-ray in this copy of the checkout."""
    environment = os.environ | {"DW_MODE": "standalone", "PYTHONPATH": str(folder), RUN_DIR: str(folder.parent)}
    environment["DW_SITES_PATH"] = str(folder / "sites")
    command = [Path(sys.executable).with_name("cosmic-ray"), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"cosmic-ray {' '.join(arguments)} failed.\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
