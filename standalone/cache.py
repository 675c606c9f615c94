"""The cache between runs: `$XDG_CACHE_HOME/dartwing_core`, with virtual environments and installed sites in it.

Standard library only: `environment` uses it before there is a virtual environment. Two kinds of locks, both `flock`, so
that a killed process holds none: one for each thing that is being built, and one over the list of entries.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from .processes import die_with_parent

KEEP = 4  # entries of each kind
READY = ".complete"  # written last: an entry without it is half built


def root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base) / "dartwing_core"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def entry(kind: str, key: str) -> Path:
    return root() / f"{kind}-{key}"


def is_complete(folder: Path) -> bool:
    return (folder / READY).exists()


def digest(parts: Iterable[str | Path]) -> str:
    """A short key of some texts and files."""
    state = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part.encode()
        state.update(len(content).to_bytes(8, "big") + content)
    return state.hexdigest()[:16]


@contextlib.contextmanager
def locked(name: str, *, shared: bool = False, waiting: str = "") -> Iterator[None]:
    """Hold a lock of the cache. If it is taken: wait for it, saying so if there is something to say."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with open(root() / f"{name}.lock", "a") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                print(waiting, file=sys.stderr, flush=True)
            fcntl.flock(file, kind)
        yield


def copy(source: Path, target: Path) -> None:
    """Copy a folder, as cheaply as the file system allows."""
    command = ["cp", "-a", "--reflink=auto", "--sparse=always", str(source), str(target)]
    subprocess.run(command, check=True, preexec_fn=die_with_parent)


def save(kind: str, key: str, folders: dict[str, Path]) -> None:
    """Keep copies of folders as one entry. It appears under its name when it is complete."""
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=root()))
    try:
        for name, folder in folders.items():
            copy(folder, building / name)
        (building / READY).touch()
        with locked("entries"):
            target = entry(kind, key)
            if target.exists():
                shutil.rmtree(target)
            building.rename(target)
            prune(kind)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def restore(kind: str, key: str, folders: dict[str, Path]) -> bool:
    """Copy the parts of an entry to where they are wanted; False if there is no such entry."""
    with locked("entries", shared=True):
        source = entry(kind, key)
        if not is_complete(source):
            return False
        os.utime(source)
        for name, folder in folders.items():
            folder.parent.mkdir(parents=True, exist_ok=True)
            copy(source / name, folder)
        return True


def age(kind: str, key: str) -> int:
    """The seconds since an entry was made."""
    try:
        return int(time.time() - (entry(kind, key) / READY).stat().st_mtime)
    except FileNotFoundError:
        return 0


def prune(kind: str) -> None:
    """Remove all but the entries used last, and what killed processes left half made."""
    entries = sorted(root().glob(f"{kind}-*/"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in entries[KEEP:]:
        shutil.rmtree(old, ignore_errors=True)
    for half in root().glob(".building-*"):
        if half.stat().st_mtime < time.time() - 3600:
            shutil.rmtree(half, ignore_errors=True)
