"""`./dev test`: the tests, on a site of their own or on a genuine bench.

All of them are two runs side by side, each with a site of its own: the crash tests wait more than they work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .bench import alone, check, on_bench
from .launcher import running, say
from .options import foreground, options, take
from .processes import RUN_DIR, Failed, Process
from .site import ROOT

SIDE = "tests/crash"
DESK = "tests/desk"
SELECTING = ("-k", "-m", "--lf", "--last-failed", "--ff", "--co", "--collect-only", "--ignore", "--deselect")


def test(arguments: list[str]) -> int:
    bench, rest = take(arguments, "--bench")
    site, rest = take(rest, "--site")
    if bool(bench) != bool(site):
        raise Failed("--bench PATH and --site NAME belong together.")
    is_desk = "--desk" in rest
    rest = [argument for argument in rest if argument != "--desk"]
    if is_desk and not bench:
        raise Failed("--desk needs a genuine Desk: --bench PATH --site NAME.")
    paths = [argument.split("::")[0] for argument in rest if not argument.startswith("-")]
    given = any((folder / path).exists() for path in paths for folder in (ROOT, Path.cwd()))
    folder = Path.cwd() if given and not any((ROOT / path).exists() for path in paths) else ROOT
    pytest = ["-m", "pytest", "-p", "standalone.pytest_plugin", f"--rootdir={ROOT}", *rest]
    if not given:
        pytest.append(DESK if is_desk else "tests")
    if bench and site:
        path = Path(bench).resolve()
        check(path, site, desk=is_desk)
        with alone(path, site), on_bench(path, site) as stage:
            stage.environment["DW_DESK"] = "1" if is_desk else ""
            return foreground(stage, [stage.environment["DW_PYTHON"], *pytest], folder=folder)
    selects = any(argument.split("=")[0] in SELECTING for argument in rest)
    with running(workers=0, scheduler=False, **options()) as stage:
        if given or selects:
            return foreground(stage, [sys.executable, "-P", *pytest], folder=folder)
        with beside(rest, Path(stage.environment[RUN_DIR]) / "crash-tests.log") as other:
            say(f"{SIDE} runs beside the other tests, on a site of its own; what it says comes last")
            status = foreground(stage, [sys.executable, "-P", *pytest, f"--ignore={ROOT / SIDE}"], folder=folder)
            other_status = other.wait()
            print(f"\n{SIDE}:\n{other.log.read_text() if other.log else ''}", flush=True)
        return status or other_status


@contextmanager
def beside(arguments: list[str], log: Path) -> Iterator[Process]:
    """The crash tests in a run of their own; ended with ours."""
    # With less claim to the processors: the other tests measure more.
    command = ["nice", "-n", "5", sys.executable, "-P", "-m", "standalone", "test", SIDE, *arguments]
    environment = {name: value for name, value in os.environ.items() if name != RUN_DIR}
    process = Process("crash tests", command, folder=ROOT, log=log, environment=environment)
    try:
        yield process
    finally:
        process.stop(timeout=30.0)
