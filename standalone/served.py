"""The sites that `./dev serve` keeps up, for `./dev run --served`: the folder of such a run says how to join it."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .launcher import Stage
from .processes import Failed
from .site import ROOT

FILE = "served.json"
OURS = ("DW_", "FRAPPE_", "PYTHONPATH")
HOW = "Start one with ./dev serve, or leave --served out: ./dev run FILE has a site of its own."


def announce(stage: Stage) -> None:
    """Let processes of other terminals join this site. The file is the user's alone, as its folder is."""
    environment = {name: value for name, value in stage.environment.items() if name.startswith(OURS)}
    new = stage.folder / f"{FILE}.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps({"checkout": str(ROOT), "environment": environment}))
    new.replace(stage.folder / FILE)


def find(port: int = 0) -> Stage:
    """Return the site that is served from this checkout: the only one, or the one at this port."""
    stages = list(_stages())
    found = [stage for stage in stages if not port or (stage.url or "").endswith(f":{port}")]
    if len(found) == 1:
        return found[0]
    urls = " and ".join(sorted(str(stage.url) for stage in stages))
    if not urls:
        raise Failed(f"No site is served from {ROOT}. {HOW}")
    if port:
        raise Failed(f"No site is served at port {port} (DW_PORT), but at {urls}.")
    raise Failed(f"Several sites are served: {urls}. Choose one by its port: DW_PORT=… ./dev run --served FILE")


def is_up(folder: Path) -> bool:
    """Whether the run of this folder lives: its launcher holds the lock."""
    try:
        with open(folder / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _stages() -> Iterator[Stage]:
    """The sites that are served from this checkout."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(OURS) and name != "CI"}
    for file in Path(tempfile.gettempdir()).glob(f"dw-*/{FILE}"):
        about = _read(file)
        if about and about.get("checkout") == str(ROOT) and is_up(file.parent):
            environment = {name: str(value) for name, value in about["environment"].items() if name.startswith(OURS)}
            yield Stage(mine | environment)


def _read(file: Path) -> dict[str, Any] | None:
    """The content of a run's file. None if the run has just ended, or if another user may have written it."""
    try:
        if not (_is_ours_alone(file.parent) and _is_ours_alone(file)):
            return None
        about = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and isinstance(about.get("environment"), dict) else None


def _is_ours_alone(path: Path) -> bool:
    """Whether only this user may write here: a file in a shared folder may be a trap."""
    found = path.lstat()
    return found.st_uid == os.getuid() and not stat.S_ISLNK(found.st_mode) and not found.st_mode & 0o022
