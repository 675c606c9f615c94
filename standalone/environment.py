"""The virtual environment: made once for each lock file and Python version, shared by every clone on the machine.

`./dev` starts this file with any Python that is new enough; it uses the standard library only, makes sure
of the environment and becomes `python -m standalone` in it. `clean` ends here, since it removes that environment.
"""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # a build that is cut off is made again: no need for a traceback

# ruff: noqa: E402
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from . import cache, programs
from .processes import Failed, die_with_parent, end_leftovers

FOLDER = Path(__file__).resolve().parent
LOCKS = ("build.txt", "requirements.txt")  # in this order, see build.txt


def prepare() -> Path:
    """The environment's Python, after making it if it is not there or was left half made."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    key = cache.digest([version, sys.prefix, *(FOLDER / name for name in LOCKS)])
    folder = cache.entry("venv", key)
    if not cache.is_complete(folder):
        with cache.locked(f"build-venv-{key}", waiting="Waiting for another ./dev to make the virtual environment …"):
            if not cache.is_complete(folder):
                build(folder, version)
    os.utime(folder)
    return folder / "bin" / "python"


def build(folder: Path, version: str) -> None:
    started = time.monotonic()
    print(f"Making a virtual environment for Python {version} …", file=sys.stderr, flush=True)
    make(folder)
    for name in LOCKS:
        options = ["--no-deps", "--require-hashes", "--no-build-isolation", "--disable-pip-version-check", "-q"]
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", *options, "-r", str(FOLDER / name)]
        if subprocess.run(command, preexec_fn=die_with_parent).returncode:
            raise Failed("pip could not install what the standalone site needs: see above.")
    (folder / cache.READY).touch()
    cache.prune("venv")
    print(f"Virtual environment made · {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)


def make(folder: Path) -> None:
    """`python -m venv`; as root on Debian, after installing the part of Python that Debian keeps apart."""
    command = [sys.executable, "-m", "venv", "--clear", str(folder)]
    if subprocess.run(command, capture_output=True).returncode == 0:
        return
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if not programs.install([package]) or subprocess.run(command, capture_output=True).returncode:
        raise Failed(f"Python cannot make virtual environments here. Debian, Ubuntu: apt-get install {package}")


def main(arguments: list[str]) -> NoReturn:
    if arguments[:1] == ["clean"]:
        shutil.rmtree(cache.root(), ignore_errors=True)
        end_leftovers()
        sys.exit()
    try:
        programs.provide(arguments[0], has_bench=any(a.startswith("--bench") for a in arguments))
        python = str(prepare())
    except Failed as failure:
        sys.exit(str(failure))
    os.environ["PYTHONPATH"] = str(FOLDER.parent)
    os.execv(python, [python, "-P", "-m", "standalone", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
