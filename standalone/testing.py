"""`./dev test`: the tests, on a site of their own or on a genuine bench.

All of them are three runs side by side, each with a site of its own: many tests wait more than they work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .bench import alone, check, on_bench
from .launcher import running, say
from .options import foreground, options, take
from .processes import RUN_DIR, Failed, Process
from .site import ROOT

SIDES = ("tests/acceptance", "tests/crash")
"""These measure times, so the other tests run beside them with less claim to the processors."""
DESK = "tests/desk"
MEASURE = "DW_COVERAGE"
"""The environment variable that names the file in which coverage.py keeps what the tests reach (see `measuring`)."""
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
    python = [sys.executable, "-P", *measured()]
    with running(workers=0, scheduler=False, **options()) as stage:
        if given or selects:
            return foreground(stage, [*python, *pytest], folder=folder)
        logs = Path(stage.environment[RUN_DIR])
        with ExitStack() as stack:
            others = [stack.enter_context(beside(part, rest, logs)) for part in SIDES]
            say(f"{' and '.join(SIDES)} run beside the other tests; what they say comes last")
            ignored = [f"--ignore={ROOT / part}" for part in SIDES]
            status = foreground(stage, ["nice", "-n", "5", *python, *pytest, *ignored], folder=folder)
            for part, other in zip(SIDES, others, strict=True):
                status = other.wait() or status
                print(f"\n{part}:\n{other.log.read_text() if other.log else ''}", flush=True)
        return status


def measured() -> list[str]:
    """What starts a program under coverage.py, if this run is measured."""
    if not (data := os.environ.get(MEASURE)):
        return []
    return ["-m", "coverage", "run", f"--rcfile={ROOT / 'pyproject.toml'}", f"--data-file={data}"]


@contextmanager
def beside(part: str, arguments: list[str], logs: Path) -> Iterator[Process]:
    """A part of the tests in a run of its own, with a log in this folder; ended with ours."""
    command = [sys.executable, "-P", "-m", "standalone", "test", part, *arguments]
    environment = {name: value for name, value in os.environ.items() if name != RUN_DIR}
    log = logs / f"{part.replace('/', '-')}.log"
    process = Process(part, command, folder=ROOT, log=log, environment=environment)
    try:
        yield process
    finally:
        process.stop(timeout=30.0)
