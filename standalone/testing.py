"""`./dev test`: the tests, on a site of their own or on a genuine bench.

All of them are four runs side by side, each with a site of its own: many tests wait more than they work. `--fast` are
two such runs: the tests of units, and those of tests/site that start no processes, but for the slow files.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from . import summary
from .bench import alone, check, on_bench
from .launcher import Stage, running, say
from .options import foreground, options, take, take_own_code
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
    *("test_desk_figures.py", "test_retention.py", "test_circuit_probes.py", "schedule_runs/*.py"),
)
"""Files of tests/site that `--fast` leaves out: those that take longest for each of their tests."""
DESK = "tests/desk"
MEASURE = "DW_COVERAGE"
"""The environment variable that names the file in which coverage.py keeps what the tests reach (see `measuring`)."""
SELECTING = ("-k", "-m", "--lf", "--last-failed", "--ff", "--co", "--collect-only", "--ignore", "--deselect")


def test(arguments: list[str]) -> int:
    """Run the tests that the arguments ask for; the last line says what ran, passed and failed."""
    counts, rest = take(arguments, "--counts")
    if counts:  # somebody else reports
        return run(rest, Path(counts))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            return run(rest, Path(folder, "counts"))
        finally:
            if files := list(Path(folder).iterdir()):
                print(summary.line(files, time.monotonic() - began), flush=True)


def run(arguments: list[str], counts: Path) -> int:
    """Run the tests; `counts`: the file for how many passed and failed."""
    bench, rest = take(arguments, "--bench")
    site, rest = take(rest, "--site")
    if bool(bench) != bool(site):
        raise Failed("--bench PATH and --site NAME belong together.")
    own, rest = take_own_code(rest)
    if own:
        return run_tests_of(own, rest, counts)
    is_desk, is_fast = "--desk" in rest, "--fast" in rest
    rest = [argument for argument in rest if argument not in ("--desk", "--fast")]
    if is_desk and not bench:
        raise Failed("--desk needs a genuine Desk: --bench PATH --site NAME.")
    given, folder = are_given(rest)
    pytest = ["-m", "pytest", "-p", "standalone.pytest_plugin", f"--rootdir={ROOT}", f"--counts={counts}", *rest]
    counts.touch()
    if bench and site:
        path = Path(bench).resolve()
        check(path, site, desk=is_desk)
        paths = [DESK] if is_desk else [*NOT_LIVE, *fast_files(0), *fast_files(1)] if is_fast else ["tests"]
        with alone(path, site), on_bench(path, site) as stage:
            stage.environment["DW_DESK"] = "1" if is_desk else ""
            return foreground(
                stage, [stage.environment["DW_PYTHON"], *pytest, *([] if given else paths)], folder=folder
            )
    selects = any(argument.split("=")[0] in SELECTING for argument in rest)
    with running(workers=0, scheduler=False, **options()) as stage:
        if given:
            return foreground(stage, [*python(), *pytest], folder=folder)
        if is_fast:
            other_half = {"the other half": [*NOT_LIVE, *fast_files(1)]}
            return side_by_side(stage, [*python(), *pytest, *NOT_LIVE, *fast_files(0)], other_half, rest, counts)
        if selects:
            return foreground(stage, [*python(), *pytest, "tests"], folder=ROOT)
        others = ["tests", *NOT_LIVE, *(f"--ignore={ROOT / part}" for part in ("tests/crash", "tests/tenants"))]
        return side_by_side(stage, ["nice", "-n", "5", *python(), *pytest, *others], SIDES, rest, counts)


def run_tests_of(own: dict[str, Any], arguments: list[str], counts: Path) -> int:
    """Run the tests of another app, in a site where it is installed, or those beside a file of handlers."""
    folder = own.get("app") or own["path"]
    given = any((Path.cwd() / argument.split("::")[0]).exists() for argument in arguments if argument[:1] != "-")
    plugins = ["-p", "standalone.pytest_plugin", "-p", "standalone.app_tests"]
    pytest = ["-m", "pytest", *plugins, f"--rootdir={folder}", f"--counts={counts}", *arguments]
    counts.touch()
    with running(workers=0, scheduler=False, **own, **options()) as stage:
        check_own_code(stage)
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


def side_by_side(
    stage: Stage, command: list[str], sides: Mapping[str, list[str]], arguments: list[str], counts: Path
) -> int:
    """Run this command on the stage, and beside it tests in runs of their own: `sides` names them."""
    logs = Path(stage.environment[RUN_DIR])
    with ExitStack() as stack:
        others = [stack.enter_context(beside(name, paths, arguments, logs, counts)) for name, paths in sides.items()]
        say(f"{' and '.join(sides)} run beside the other tests; what they say comes last")
        status = foreground(stage, command, folder=ROOT)
        for other in others:
            status = other.wait() or status
            print(f"\n{other.name}:\n{other.log.read_text() if other.log else ''}", flush=True)
    return status


def python() -> list[str]:
    """The command that starts a Python program: under coverage.py, if this run is measured."""
    if not (data := os.environ.get(MEASURE)):
        return [sys.executable, "-P"]
    return [sys.executable, "-P", "-m", "coverage", "run", f"--rcfile={ROOT / 'pyproject.toml'}", f"--data-file={data}"]


@contextmanager
def beside(name: str, paths: list[str], arguments: list[str], logs: Path, counts: Path) -> Iterator[Process]:
    """Tests in a run of their own, with a log in this folder; ended with ours."""
    slug = name.replace("/", "-").replace(" ", "-")
    own = counts.with_name(slug)
    own.touch()
    command = [sys.executable, "-P", "-m", "standalone", "test", *paths, f"--counts={own}", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != RUN_DIR}
    process = Process(name, command, folder=ROOT, log=logs / f"{slug}.log", environment=environment)
    try:
        yield process
    finally:
        process.stop(timeout=30.0)
