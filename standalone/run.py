"""`./dev run`: a Python file in a site of its own, or in the one that is served."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from . import served
from .launcher import Stage, running, say
from .options import Parser, flag, foreground, number, options, take_own_code
from .processes import Failed
from .serving import check_own_code

USAGE = "./dev run [--served | --app PATH --handlers FILE] FILE [ARG…]"


def check(arguments: list[str]) -> None:
    """Fail if the arguments ask for something that can't be."""
    if _read(arguments)[0].served:
        served.find(number("DW_PORT", 0))


def run(arguments: list[str]) -> int:
    """Run the file to its end. Returns its status."""
    asked, own = _read(arguments)
    if asked.served:
        return _in_served_site(served.find(number("DW_PORT", 0)), asked.script)
    with running(workers=number("DW_WORKERS", 2), web=flag("DW_WEB"), **own, **options()) as stage:
        if own:
            check_own_code(stage)
        return in_site(stage, asked.script)


def in_site(stage: Stage, arguments: list[str]) -> int:
    """Run a file, or `-m` and a module, on our terminal as Administrator of the site."""
    stage.environment["DW_CWD"] = os.getcwd()
    return foreground(stage, [sys.executable, "-P", "-m", "standalone.script", *arguments])


def _in_served_site(stage: Stage, script: list[str]) -> int:
    say(f"In the served site, {stage.url}")
    status = in_site(stage, script)
    if status < 0 and not served.is_up(stage.folder):
        raise Failed("The served site has ended, and the file with it.")
    return status


def _read(arguments: list[str]) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The parsed arguments, and the own code for the site. Arguments after the file are the file's."""
    at = _file_at(arguments)
    parser = Parser(USAGE)
    parser.add_argument("--served", action="store_true")
    parser.add_argument("--app")
    parser.add_argument("--handlers")
    asked = parser.parse_args(arguments[:at])
    if at == len(arguments):
        raise Failed(f"Which file? {USAGE}")
    file = Path(arguments[at])
    if not file.is_file():
        raise Failed(f"{file} is a folder, no file." if file.is_dir() else f"There is no file {file}.")
    if asked.served and (asked.app or asked.handlers):
        raise Failed("The served site has its own code: give --app and --handlers to ./dev serve.")
    asked.script = [str(file.resolve()), *arguments[at + 1 :]]
    return asked, take_own_code(arguments[:at])[0]


def _file_at(arguments: list[str]) -> int:
    """Where the file's name is. Options stand before it, and take a value but for --served."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        at += 1 if arguments[at] == "--served" or "=" in arguments[at] else 2
    return min(at, len(arguments))
