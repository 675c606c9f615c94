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
"""The environment variable that names the file for notes; without it nothing is noted."""
_settle = executor.Loop._settle


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
    if not path or executor.Loop._settle is not _settle:
        return

    def settle(self: executor.Loop, *given: Any, **named: Any) -> None:
        began = time.perf_counter()
        _settle(self, *given, **named)
        _bare.note(path, f"{1000 * (time.perf_counter() - began):.3f}")

    executor.Loop._settle = settle
