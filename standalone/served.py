"""The sites that `./dev serve` keeps up, for `./dev run --served`: a file in the cache says how to join each."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from . import cache
from .launcher import Stage
from .processes import LOCK, Failed
from .site import ROOT

OURS = ("DW_", "FRAPPE_", "PYTHONPATH")
HOW = "Start one with ./dev serve, or leave --served out: ./dev run FILE has a site of its own."


def announce(stage: Stage) -> Path:
    """Let processes of other terminals join this site. The file is the user's alone, as the cache is."""
    environment = {name: value for name, value in stage.environment.items() if name.startswith(OURS)}
    file = cache.root() / f"served-{stage.folder.name}.json"
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"checkout": str(ROOT), "environment": environment}))
    return new.replace(file)


def find() -> Stage:
    """Return the site that is served from this checkout; of several the latest."""
    stages = list(_stages())
    if not stages:
        raise Failed(f"No site is served from {ROOT}. {HOW}")
    return stages[-1]


def is_up(folder: Path) -> bool:
    """Whether the run of this folder lives: its launcher holds the lock."""
    with contextlib.suppress(FileNotFoundError), open(folder / LOCK) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _stages() -> Iterator[Stage]:
    """The sites that are served from this checkout, the latest last. Files of runs that have ended are removed."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(OURS) and name != "CI"}
    for file in sorted(cache.root().glob("served-*.json"), key=os.path.getmtime):
        about = json.loads(file.read_text())
        if not is_up(Path(about["environment"]["DW_RUN_DIR"])):
            file.unlink(missing_ok=True)
        elif about["checkout"] == str(ROOT):
            yield Stage(mine | about["environment"])
