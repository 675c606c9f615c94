"""`python -m benchmarks._unprepared MODULE [ARG…]`: run a worker as on a bench without the app, for bare jobs alone.

It imports nothing of ours before it forks, and the hook that the app has for every job is a stub: each fork would
import half the engine for it.
"""

from __future__ import annotations

import runpy
import sys
from types import ModuleType

from dartwing_core import worker_preload

HOOKED = "dartwing_core.wall.guard"


def leave_out_the_app() -> None:
    stub = ModuleType(HOOKED)
    stub.before_job = lambda *_arguments, **_keywords: None  # type: ignore[attr-defined]
    sys.modules[HOOKED] = stub
    worker_preload.preload = lambda: None


if __name__ == "__main__":
    leave_out_the_app()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
