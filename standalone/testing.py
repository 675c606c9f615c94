"""`./dev test`: the tests, on a site of their own or on a genuine bench.

All of them are four runs side by side, each with a site of its own: many tests wait more than they work. `--fast` are
two such runs: the tests of units, and those of tests/site that start no processes, but for the slow files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .bench import tested_bench
from .launcher import Stage, running, say
from .options import Parser, foreground, options, own_code
from .processes import RUN_DIR, Failed, Process
from .serving import check_own_code
from .site import ROOT

UNTIMED = ["tests/site/job_center", "tests/tenants"]
"""Tests over HTTP that measure no times. They follow the crash tests, which take half as long as the live ones."""
WAITING = "tests/site/test_due_times.py"
"""Tests that wait for minutes and compute little."""
NOT_LIVE = ("-m", "not live")
SIDES = {
    "the live tests of tests/site": [
        *("tests/site", "-m", "live"),
        *(f"--ignore={ROOT / path}" for path in (UNTIMED[0], WAITING)),
    ],
    "tests/crash": ["tests/crash", *UNTIMED],
    WAITING: [WAITING],
}
"""These measure times, so the other tests run beside them with less claim to the processors."""
NOT_FAST = (
    "test_*_plans.py",  # tables with many rows
    *("test_heartbeat.py", "test_late_time_limits.py", "test_notifications.py"),  # they wait
    *("test_desk_figures.py", "test_retention.py", "circuits/test_probes.py", "test_schedule_runs.py"),
)
"""Files of tests/site that `--fast` leaves out: those that take longest for each of their tests."""
DESK = "tests/desk"
MEASURE = "DW_COVERAGE"
"""The environment variable that names the file in which coverage.py keeps what the tests reach."""
SELECTING = ("-k", "-m", "--lf", "--last-failed", "--ff", "--co", "--collect-only", "--ignore", "--deselect")


def test(arguments: list[str]) -> int:
    """Run the tests that the arguments ask for; those that are not ours go to pytest."""
    parser = Parser("./dev test [--fast] [--bench PATH --site NAME [--desk]] [--app PATH] [--handlers FILE] [ARG…]")
    parser.add_argument("--bench", type=Path)
    parser.add_argument("--site")
    parser.add_argument("--desk", action="store_true")
    parser.add_argument("--fast", action="store_true")
    parser.take_own_code()
    asked, rest = parser.parse_known_args(arguments)
    if bool(asked.bench) != bool(asked.site):
        raise Failed("--bench PATH and --site NAME belong together.")
    if asked.desk and not asked.bench:
        raise Failed("--desk needs a genuine Desk: --bench PATH --site NAME.")
    if asked.app or asked.handlers:
        return of_own_code(own_code(asked), rest)
    given, folder = are_given(rest)
    pytest = ["-m", "pytest", "-p", "standalone.pytest_plugin", f"--rootdir={ROOT}", *rest]
    if asked.bench:
        paths = [DESK] if asked.desk else [*NOT_LIVE, *fast_files(0), *fast_files(1)] if asked.fast else ["tests"]
        with tested_bench(asked.bench.resolve(), asked.site, desk=asked.desk) as stage:
            command = [stage.environment["DW_PYTHON"], *pytest, *([] if given else paths)]
            return foreground(stage, command, folder=folder)
    with running(workers=0, scheduler=False, **options()) as stage:
        command = [*python(), *pytest]
        if given:
            return foreground(stage, command, folder=folder)
        if asked.fast:
            other_half = {"the other half": [*NOT_LIVE, *fast_files(1)]}
            return side_by_side(stage, [*command, *NOT_LIVE, *fast_files(0)], other_half, rest)
        if any(argument.split("=")[0] in SELECTING for argument in rest):
            return foreground(stage, [*command, "tests"], folder=ROOT)
        others = ["tests", *NOT_LIVE, *(f"--ignore={ROOT / part}" for part in ("tests/crash", "tests/tenants"))]
        return side_by_side(stage, ["nice", "-n", "5", *command, *others], SIDES, rest)


def of_own_code(own: dict[str, Any], arguments: list[str]) -> int:
    """Run the tests of another app, in a site where it is installed, or those beside a file of handlers."""
    folder = own.get("app") or own["path"]
    given, _folder = are_given(arguments)
    pytest = ["-m", "pytest", "-p", "standalone.pytest_plugin", f"--rootdir={folder}", *arguments]
    with running(workers=0, scheduler=False, **own, **options()) as stage:
        check_own_code(stage)
        stage.environment["DW_OWN_CODE"] = "1"
        return foreground(stage, [*python(), *pytest, *([] if given else [str(folder)])], folder=Path.cwd())


def fast_files(half: int) -> list[str]:
    """One half of the tests that `--fast` runs, by the size of files."""
    folder = ROOT / "tests" / "site"
    files = [file for file in folder.rglob("test_*.py") if not any(file.match(pattern) for pattern in NOT_FAST)]
    files.sort(key=lambda file: file.stat().st_size)
    return ["tests/unit"] * half + [str(file.relative_to(ROOT)) for file in files[half::2]]


def are_given(arguments: list[str]) -> tuple[bool, Path]:
    """Whether these arguments of pytest name files or folders; and the folder that they are named from."""
    paths = [argument.split("::")[0] for argument in arguments if not argument.startswith("-")]
    given = any((folder / path).exists() for path in paths for folder in (ROOT, Path.cwd()))
    return given, Path.cwd() if given and not any((ROOT / path).exists() for path in paths) else ROOT


def side_by_side(stage: Stage, command: list[str], sides: Mapping[str, list[str]], arguments: list[str]) -> int:
    """Run this command on the stage, and beside it tests in runs of their own: `sides` names them."""
    say(f"{' and '.join(sides)} run beside the other tests; what they say comes last")
    environment = {name: value for name, value in os.environ.items() if name != RUN_DIR}
    with ExitStack() as stack:
        others = []
        for name, paths in sides.items():
            log = stage.folder / f"{name.replace('/', '-').replace(' ', '-')}.log"
            side = [sys.executable, "-P", "-m", "standalone", "test", *paths, *arguments]
            others.append(Process(name, side, folder=ROOT, log=log, environment=environment))
            stack.callback(others[-1].stop, timeout=30.0)
        statuses = [foreground(stage, command, folder=ROOT), *(other.wait() for other in others)]
        for other in others:
            print(f"\n{other.name}:\n{other.tail(10_000)}", flush=True)
    print(f"\n{'Some tests failed: see above.' if any(statuses) else 'All tests passed.'}", flush=True)
    return next((status for status in statuses if status), 0)


def python() -> list[str]:
    """The command that starts a Python program: under coverage.py, if this run is measured."""
    if not (data := os.environ.get(MEASURE)):
        return [sys.executable, "-P"]
    return [sys.executable, "-P", "-m", "coverage", "run", f"--rcfile={ROOT / 'pyproject.toml'}", f"--data-file={data}"]


def coverage(arguments: list[str]) -> int:
    """Run the tests under coverage.py, also in all processes that they start, then report.

    The pages of the report are in `.dev/coverage/html`. A process that is killed with SIGKILL saves nothing.
    """
    folder = ROOT / ".dev" / "coverage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[MEASURE] = str(folder / "data")
    status = test(arguments)
    for command in (["combine", "--quiet"], ["html", "--quiet", f"--directory={folder / 'html'}"], ["report"]):
        subprocess.run(
            [sys.executable, "-P", "-m", "coverage", command[0], f"--data-file={folder / 'data'}", *command[1:]],
            cwd=ROOT,
        )
    return status
