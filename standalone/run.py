"""`./dev run`: a Python file in a site of its own, or in the one that is served."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .launcher import Stage, running, say
from .options import Parser, foreground, number, options, own_code
from .processes import Failed
from .serving import check_own_code, is_up, served_stage


def run(arguments: list[str]) -> int:
    """Run the file to its end. Returns its status."""
    asked = _read(arguments)
    if asked.served:
        stage = served_stage()
        say(f"In the served site, {stage.url}")
        status = in_site(stage, asked.script)
        if status < 0 and not is_up(stage.folder):
            raise Failed("The served site has ended, and the file with it.")
        return status
    own = own_code(asked)
    with running(workers=number("DW_WORKERS", 2), web=os.environ.get("DW_WEB") == "1", **own, **options()) as stage:
        if own:
            check_own_code(stage)
        return in_site(stage, asked.script)


def in_site(stage: Stage, arguments: list[str]) -> int:
    """Run a file, or `-m` and a module, on our terminal as Administrator of the site."""
    stage.environment["DW_CWD"] = os.getcwd()
    return foreground(stage, [sys.executable, "-P", "-m", "standalone.script", *arguments])


def _read(arguments: list[str]) -> argparse.Namespace:
    """The parsed arguments. Those after the file are the file's."""
    parser = Parser("./dev run [--served | --app PATH --handlers FILE] FILE [ARG…]")
    parser.add_argument("--served", action="store_true")
    parser.take_own_code()
    parser.add_argument("script", nargs=argparse.REMAINDER)
    asked = parser.parse_args(arguments)
    if not asked.script:
        raise Failed(f"Which file? {parser.usage}")
    file = Path(asked.script[0])
    if not file.is_file():
        raise Failed(f"{file} is a folder, no file." if file.is_dir() else f"There is no file {file}.")
    if asked.served and (asked.app or asked.handlers):
        raise Failed("The served site has its own code: give --app and --handlers to ./dev serve.")
    asked.script[0] = str(file.resolve())
    return asked
