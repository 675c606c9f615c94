"""What the commands of `./dev` have in common: their options, and running a program on our terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .launcher import Stage
from .processes import Failed, Process, Stopped


def flag(name: str) -> bool:
    return os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")


def number(name: str, default: int) -> int:
    return whole_number(name, os.environ[name]) if os.environ.get(name) else default


def whole_number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise Failed(f"{name} is a whole number, not {text!r}.")
    return int(text)


def options() -> dict[str, Any]:
    """What the environment asks of the site."""
    return {
        "isolation": flag("DW_ISOLATION"),
        "fresh": flag("DW_FRESH"),
        "durable": flag("DW_DURABLE"),
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


def take_app(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """Take `--app PATH` out of the arguments: the folder of another Frappe app."""
    path, rest = take(arguments, "--app")
    return (Path(path).resolve() if path else None), rest


def take(arguments: list[str], option: str) -> tuple[str | None, list[str]]:
    """Take `--option VALUE` or `--option=VALUE` out of the arguments."""
    for position, argument in enumerate(arguments):
        if argument.startswith(option + "="):
            return argument.split("=", 1)[1], arguments[:position] + arguments[position + 1 :]
        if argument == option and position + 1 < len(arguments):
            return arguments[position + 1], arguments[:position] + arguments[position + 2 :]
    return None, arguments
