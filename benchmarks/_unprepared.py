"""`python -m benchmarks._unprepared MODULE [ARG…]`: run a worker as on a bench without the app, for bare jobs alone.

It imports nothing of ours before it forks.
"""

from __future__ import annotations

import runpy
import sys

from dartwing_core import worker_preload

if __name__ == "__main__":
    worker_preload.preload = lambda: None
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
