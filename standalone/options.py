"""Common parts of the commands of `./dev`: their options, and running a program on our terminal."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, NoReturn

from .launcher import Stage
from .processes import Failed, Process, Stopped
from .site import package_of


class Parser(argparse.ArgumentParser):
    """Reads the arguments of a command. An error is one line, with the usage."""

    def __init__(self, usage: str) -> None:
        super().__init__(usage=usage, add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise Failed(f"{message}. {self.usage}")

    def take_own_code(self) -> None:
        """Take a developer's own code: a Frappe app, or a file of handlers."""
        self.add_argument("--app", type=app_folder)
        self.add_argument("--handlers", type=python_file)


def own_code(asked: argparse.Namespace) -> dict[str, Any]:
    """What `launcher.running` needs for a developer's own code; empty without any."""
    own: dict[str, Any] = {"app": asked.app} if asked.app else {}
    if asked.handlers:
        own |= {"handlers": [asked.handlers.stem], "path": asked.handlers.parent}
    return own


def app_folder(path: str) -> Path:
    """The folder of a Frappe app at this path. Fails if it is none."""
    folder = Path(path).resolve()
    package_of(folder)
    return folder


def python_file(path: str) -> Path:
    """The file at this path. Fails if Python could not import it by its name."""
    file = Path(path).resolve()
    if not file.exists():
        raise Failed(f"There is no file {path}.")
    if file.suffix != ".py" or not file.is_file() or not file.stem.isidentifier():
        raise Failed(f"{path} is no Python file with a name that can be imported.")
    return file


def number(name: str, default: int) -> int:
    """The whole number in this variable of the environment."""
    return int(os.environ.get(name) or default)


def options() -> dict[str, Any]:
    """The options of the site in the environment."""
    return {
        "isolation": os.environ.get("DW_ISOLATION") == "ON",
        "fresh": os.environ.get("DW_FRESH") == "1",
        "durable": os.environ.get("DW_DURABLE") == "1",
        "tick": number("DW_TICK", 60),
    }


def foreground(stage: Stage, command: list[str], *, folder: Path | None = None) -> int:
    """Run a command on our terminal. A signal that ends us is passed on to it first: it may clear up and report."""
    process = Process("command", command, folder=folder or stage.sites_path, environment=stage.environment)
    try:
        return process.wait()
    except Stopped as stopped:
        process.stop_signal = stopped.signum
        raise
    finally:
        process.stop(timeout=10.0)
