"""`python -m benchmarks._probe MODULE [ARG…]`: run a worker whose work-horses note their memory as they end.

A work-horse ends by `os._exit`; it is noted there, after everything that the job needed was loaded. Nothing else of the
worker is changed. The notes go to the file named by DW_MEMORY_NOTES, one JSON line for each work-horse.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from typing import NoReturn

WORKER = os.getpid()
_exit = os._exit


def of_process(pid: int | str) -> dict[str, float]:
    """The fields of `_workers.Memory`, as the kernel counts them."""
    status, rollup = _fields(f"/proc/{pid}/status"), _fields(f"/proc/{pid}/smaps_rollup")
    return {
        "peak": status["VmHWM"] / 1024,
        "resident": rollup["Rss"] / 1024,
        "proportional": rollup["Pss"] / 1024,
        "private": (rollup["Private_Clean"] + rollup["Private_Dirty"]) / 1024,
    }


def _fields(path: str) -> dict[str, int]:
    """Lines such as "Rss:  1234 kB"."""
    with open(path) as file:
        lines = [line.split() for line in file]
    return {line[0].rstrip(":"): int(line[1]) for line in lines if line[-1] == "kB"}


def _exit_with_note(status: int) -> NoReturn:
    if os.getpid() != WORKER:
        with open(os.environ["DW_MEMORY_NOTES"], "a") as file:
            file.write(json.dumps(of_process("self")) + "\n")
    _exit(status)


if __name__ == "__main__":
    os._exit = _exit_with_note
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
