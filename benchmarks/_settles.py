"""How long settles take: from a handler's return to the end of the commit, with the start of the next job in it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import _bare
from dartwing_core.jobs import executor

NOTES = "DW_SETTLE_NOTES"
"""The environment variable that names the file for notes of workers; without it they note nothing."""
_settle = executor.Loop._settle


@contextmanager
def timed() -> Iterator[list[float]]:
    """Milliseconds of each settle of this process meanwhile."""
    times: list[float] = []
    _measure(times.append)
    try:
        yield times
    finally:
        executor.Loop._settle = _settle  # type: ignore[method-assign]


@contextmanager
def noted() -> Iterator[Callable[[], list[float]]]:
    """For workers that start meanwhile: milliseconds of each settle of `_handlers.nothing_timed` so far."""
    path = Path(os.environ["DW_RUN_DIR"]) / f"settles-{os.urandom(4).hex()}"
    path.touch()
    os.environ[NOTES] = str(path)
    try:
        yield lambda: [float(line) for line in path.read_text().splitlines()]
    finally:
        del os.environ[NOTES]


def note_from_now_on() -> None:
    """In a worker: note how long each settle of this process takes, from the running job's on."""
    path = os.environ.get(NOTES)
    if path and executor.Loop._settle is _settle:
        _measure(lambda milliseconds: _bare.note(path, f"{milliseconds:.3f}"))


def _measure(tell: Callable[[float], object]) -> None:
    def settle(self: executor.Loop, *given: Any, **named: Any) -> None:
        began = time.perf_counter()
        _settle(self, *given, **named)
        tell(1000 * (time.perf_counter() - began))

    executor.Loop._settle = settle  # type: ignore[method-assign]
