"""`./dev serve`: a site that lives, or an empty one, with your own handlers if you name their file."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from .launcher import Stage, answers, running, say
from .options import Parser, app_folder, foreground, number, options, python_file, whole_number
from .processes import Failed
from .served import announce
from .services import free_port
from .site import ADMIN_PASSWORD

PORT = 8000
LOOK = 0.5
READY_WITHIN = 30.0
RELOADED = (".py", ".json")
SHOP = "standalone.shop_jobs"
LIVING = (sys.executable, "-P", "-m", "standalone.script", "-m", "standalone.living_site")


def check(arguments: list[str]) -> None:
    """Fail if the arguments ask for something that can't be."""
    asked_port(_read(arguments).port)
    options()


def serve(arguments: list[str]) -> NoReturn:
    """Serve until Ctrl-C, or until one of the site's processes ends."""
    asked = _read(arguments)
    port = serve_port(asked.port)
    own = [path for path in (asked.handlers, asked.app) if path]
    modules = [name for name in (None if asked.empty or own else SHOP, asked.handlers and asked.handlers.stem) if name]
    folder = asked.handlers.parent if asked.handlers else None
    with running(
        workers=number("DW_WORKERS", 2),
        web=True,
        port=port,
        handlers=modules,
        path=folder,
        app=asked.app,
        **options(),
    ) as stage:
        if not asked.empty:
            _fill(stage, with_jobs=not own)
        elif own:
            check_own_code(stage)
        say_where(stage)
        watch(stage, own)


def _read(arguments: list[str]) -> argparse.Namespace:
    parser = Parser("./dev serve [--port N] [--empty] [--handlers FILE] [--app PATH]")
    parser.add_argument("--port")
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--handlers")
    parser.add_argument("--app")
    asked = parser.parse_args(arguments)
    asked.app = asked.app and app_folder(asked.app)
    asked.handlers = asked.handlers and python_file(asked.handlers)
    return asked


def _fill(stage: Stage, *, with_jobs: bool) -> None:
    """Make people, and jobs unless the workers are for a developer's own."""
    if foreground(stage, [*LIVING, "fill" if with_jobs else "people"]):
        raise Failed("The site could not be filled.")
    if with_jobs:
        stage.start("visitors", [*LIVING, "visit"])


def check_own_code(stage: Stage) -> bool:
    """Make the Job Types of a developer's own code. Print what is wrong with them and with hooks.

    Returns whether all is well.
    """
    return foreground(stage, [*LIVING, "check"]) == 0


def say_where(stage: Stage) -> None:
    """Say where the site is, how to join it, and how it ends."""
    announce(stage)
    say(f"\nAdministrator, password {ADMIN_PASSWORD}: {stage.url}/job-center   logs in {stage.folder}/logs")
    say("./dev run --served FILE runs a Python file in this site.")
    say("Desk needs a bench: README, Install. Ctrl-C ends this site.")


def watch(stage: Stage, paths: Sequence[Path]) -> NoReturn:
    """Restart the processes when a file changes, after a migration for DocTypes. Fail when one of them ends."""
    seen = _changed_at(paths)
    while all(process.running for process in stage.processes):
        time.sleep(LOOK)
        now = _changed_at(paths)
        if changed := {file.name for file, _time in now.items() ^ seen.items()}:
            seen = now
            say(f"{', '.join(sorted(changed))} changed: workers, scheduler and web start again.")
            if any(name.endswith(".json") for name in changed):
                stage.run_command("migrate")
            began = time.monotonic()
            stage.restart()
            _say_ready(stage, "Ready" if check_own_code(stage) else "Ready, but for what is wrong above", began)
    gone = next(process for process in stage.processes if not process.running)
    raise Failed(f"{gone.name} has ended.{gone.tail()}")


def _say_ready(stage: Stage, text: str, began: float) -> None:
    """Wait until the web application answers, and say it in this text."""
    web = next(process for process in stage.processes if process.name.startswith("web"))
    with contextlib.suppress(Failed):  # the watch tells of a process that has ended
        web.wait_until(lambda: answers(urlsplit(stage.url).port or PORT), READY_WITHIN)
        say(text, began)


def _changed_at(paths: Sequence[Path]) -> dict[Path, int]:
    """When each file with code or a DocType was changed."""
    files = [file for path in paths for file in ([path] if path.suffix else path.rglob("*")) if file.suffix in RELOADED]
    found = {}
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # an editor is replacing it
            found[file] = file.stat().st_mtime_ns
    return found


def serve_port(asked: str | None) -> int:
    """The port asked for, by the option or by DW_PORT; or 8000, or a free one where that is taken."""
    if port := asked_port(asked):
        return port
    free = free_port(PORT)
    if free != PORT:
        say(f"Port {PORT} is taken; this takes {free}.")
    return free


def asked_port(asked: str | None) -> int:
    """The port asked for, by the option or by DW_PORT, or 0. Fails if it is taken."""
    port = whole_number("--port", asked) if asked else number("DW_PORT", 0)
    if port > 65535:
        raise Failed(f"{port} is no port: 1 to 65535.")
    if port and free_port(port) != port:
        raise Failed(f"Port {port} is taken: name another one with --port.")
    return port
