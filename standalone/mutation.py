"""`./dev mutate [MODULE…]`: whether the unit tests notice when the engine's pure modules do something else.

Each mutant gets a process of its own, in which the import system finds the changed source in place of the file, so that
nothing is written. Nothing here needs a site. docs/testing.md lists the mutants that survive, and why.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from .processes import Failed
from .site import ROOT

PACKAGE = "dartwing_core.jobs"
MOST_SECONDS = 600
PATIENCE = 10
"""A mutant that takes so many times as long as the tests do is one that never ends."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A module to be changed, and its unit tests."""

    tests: Sequence[str]
    only: Sequence[str] = ()
    """The functions and classes that may be changed; all by default."""


HEAVY = ("frappe.model.document", "frappe.query_builder.functions", "frappe.utils.background_jobs")
SUBJECTS = {
    "status": Subject(["status"]),
    "store.job_store": Subject(["transitions"], ["transition", "move_all", "_by_size", "_first_events"]),
    "attempt.backoff": Subject(["backoff"]),
    "base.canonical": Subject(["canonical"]),
    "line.selection": Subject(["selection"]),
    "line.turns": Subject(["turns"]),
    "line.limits": Subject(["limits"], ["Slots", "caps_of", "lock_caps", "find_reached"]),
}


class Mutated(MetaPathFinder, Loader):
    """Finds one module in a changed source."""

    def __init__(self, name: str, source: str):
        self.name, self.source = name, source
        self.file = str(path_of(name))

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        return spec_from_file_location(name, self.file, loader=self) if name == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, self.file, "exec"), vars(module))


def path_of(name: str) -> Path:
    return ROOT / f"{name.replace('.', '/')}.py"


def mutate(names: list[str]) -> int:
    """Run the unit tests against each mutant of these modules, all by default, and print the survivors."""
    if unknown := [name for name in names if name not in SUBJECTS]:
        raise Failed(f"{unknown[0]} is none of {', '.join(SUBJECTS)}.")
    os.environ["DW_MODE"] = "standalone"
    os.nice(5)
    with bench_folder():
        warm_up()
        for name in names or SUBJECTS:
            report(name, SUBJECTS[name])
    return 0


def warm_up() -> None:
    """Import what all tests import and no mutant changes: the children have it by the fork."""
    from . import alias

    alias.install()
    for name in HEAVY:
        importlib.import_module(name)
    import hypothesis

    # A counterexample is enough: it need not be the smallest.
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile("mutants", phases=phases, derandomize=True, database=None)
    hypothesis.settings.load_profile("mutants")
    with pytest_silenced():
        run_pytest("--collect-only", ["clock"])
    for name in [name for name in sys.modules if name.split(".")[0] in ("dartwing_core", "tests")]:
        del sys.modules[name]


@contextmanager
def bench_folder() -> Iterator[None]:
    """A folder like a bench's, in which Frappe may write its logs."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("sites", "logs"):
            Path(folder, name).mkdir()
        os.environ["DW_SITES_PATH"] = str(Path(folder, "sites"))
        yield


@contextmanager
def pytest_silenced() -> Iterator[None]:
    """Send to nowhere what is printed."""
    kept = [os.dup(1), os.dup(2)]
    try:
        with open(os.devnull, "w") as nothing:
            for number in (1, 2):
                os.dup2(nothing.fileno(), number)
        yield
    finally:
        for number, file in enumerate(kept, 1):
            os.dup2(file, number)
            os.close(file)


def run_pytest(option: str, tests: Sequence[str]) -> int:
    """Run these unit tests in this process; 0 if all pass."""
    import pytest

    files = [str(ROOT / "tests" / "unit" / f"test_{name}.py") for name in tests]
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "standalone.pytest_plugin", f"--rootdir={ROOT}", option]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what was imported before the fork
    return pytest.main([*options, *files])


def report(name: str, subject: Subject) -> None:
    """Print how many mutants of a module the tests notice, and those that they do not."""
    module = f"{PACKAGE}.{name}"
    source = path_of(module).read_text()
    began = time.monotonic()
    if is_noticed(module, source, subject.tests, MOST_SECONDS):
        raise Failed(f"The unit tests of {name} fail without a mutant.")
    limit = PATIENCE * (time.monotonic() - began) + 10
    from .mutants import mutants_of  # a bench, where the other commands run too, has no cosmic-ray

    mutants = mutants_of(source, subject.only)
    with ThreadPool(os.cpu_count()) as threads:
        noticed = threads.map(lambda mutant: is_noticed(module, mutant.source, subject.tests, limit), mutants, 1)
    survivors = [mutant for mutant, is_found in zip(mutants, noticed, strict=True) if not is_found]
    took = time.monotonic() - began
    print(f"{name}: {len(mutants)} mutants, {len(survivors)} survive · {took:.0f} s", flush=True)
    for mutant in survivors:
        print(f"  {mutant.line}: {mutant.change}", flush=True)


def is_noticed(module: str, source: str, tests: Sequence[str], limit: float) -> bool:
    """Whether the tests fail with this source in place of the module's, or have not ended after `limit` seconds."""
    child = multiprocessing.get_context("fork").Process(target=run_tests, args=(module, source, tests))
    child.start()
    try:
        child.join(limit)
        return child.exitcode != 0
    finally:
        child.kill()  # no time limit within the process would do: Hypothesis takes its error for a failed example
        child.join()


def run_tests(module: str, source: str, tests: Sequence[str]) -> NoReturn:
    """In a child: end with status 0 if the tests pass with this source in place of the module's."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # which the parent clears up after
        signal.signal(number, signal.SIG_DFL)
    sys.meta_path.insert(0, Mutated(module, source))
    with pytest_silenced():
        os._exit(run_pytest("-q", tests))
