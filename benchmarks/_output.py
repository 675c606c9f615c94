"""Where benchmarks leave files: a path that was given, or a folder of the cache, outside of the repository."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from standalone import cache


def path(given: str | None, name: str) -> Path:
    """`given`, seen from where the command was called; else `name` in the cache, with the time in front."""
    if given:
        return Path(os.environ.get("DW_CWD", "."), given)
    folder = cache.root() / "benchmarks"
    folder.mkdir(exist_ok=True)
    return folder / f"{datetime.now():%Y%m%d-%H%M%S}-{name}"
