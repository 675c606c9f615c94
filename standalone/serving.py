"""`./dev serve`: a site that lives, or an empty one, with your own handlers if you name their file.

`./dev run`: a Python file in a site of its own, or in the one that is served. A file in the cache says how to join it.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import cache
from .launcher import Stage, running, say
from .options import Parser, foreground, number, options, own_code
from .processes import LOCK, Failed
from .services import free_port
from .site import ADMIN_PASSWORD, ROOT

PORT = 8000
LOOK = 0.5
RELOADED = (".py", ".json")
SHOP = "standalone.shop_jobs"
OURS = ("DW_", "FRAPPE_", "PYTHONPATH")
LIVING = (sys.executable, "-P", "-m", "standalone.script", "-m", "standalone.living_site")


def serve(arguments: list[str]) -> NoReturn:
    """Serve until Ctrl-C, or until one of the site's processes ends."""
    asked = read_serve(arguments)
    own = own_code(asked)
    if not own and not asked.empty:
        own = {"handlers": [SHOP]}
    watched = [path for path in (asked.handlers, asked.app) if path]
    port = asked.port or free_port(PORT)
    with running(workers=number("DW_WORKERS", 2), web=True, port=port, **own, **options()) as stage:
        if not asked.empty:
            _fill(stage, with_jobs=not watched)
        elif watched:
            check_own_code(stage)
        announced = announce(stage)
        say(f"\nAdministrator, password {ADMIN_PASSWORD}: {stage.url}/job-center   logs in {stage.folder}/logs")
        say("./dev run --served FILE runs a Python file in this site.")
        say("Desk needs a bench: README, Install. Ctrl-C ends this site.")
        try:
            watch(stage, watched)
        finally:
            announced.unlink(missing_ok=True)


def read_serve(arguments: list[str]) -> argparse.Namespace:
    parser = Parser("./dev serve [--port N] [--empty] [--handlers FILE] [--app PATH]")
    parser.add_argument("--port", type=int, default=number("DW_PORT", 0))
    parser.add_argument("--empty", action="store_true")
    parser.take_own_code()
    asked = parser.parse_args(arguments)
    if asked.port and free_port(asked.port) != asked.port:
        raise Failed(f"Port {asked.port} is taken: name another one with --port.")
    return asked


def _fill(stage: Stage, *, with_jobs: bool) -> None:
    """Make people, and jobs unless the workers are for a developer's own."""
    if foreground(stage, [*LIVING, "fill" if with_jobs else "people"]):
        raise Failed("The site could not be filled.")
    if with_jobs:
        stage.start("visitors", [*LIVING, "visit"])


def check_own_code(stage: Stage) -> None:
    """Make the Job Types of a developer's own code. Print what is wrong with them and with hooks."""
    foreground(stage, [*LIVING, "check"])


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
            check_own_code(stage)
            say("Ready", began)
    gone = next(process for process in stage.processes if not process.running)
    raise Failed(f"{gone.name} has ended.{gone.tail()}")


def _changed_at(paths: Sequence[Path]) -> dict[Path, int]:
    """When each file with code or a DocType was changed."""
    files = [file for path in paths for file in ([path] if path.suffix else path.rglob("*")) if file.suffix in RELOADED]
    found = {}
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # an editor is replacing it
            found[file] = file.stat().st_mtime_ns
    return found


# ./dev run ------------------------------------------------------------------------------------------------------------


def run(arguments: list[str]) -> int:
    """Run the file to its end. Returns its status."""
    asked = read_run(arguments)
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


def read_run(arguments: list[str]) -> argparse.Namespace:
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


def announce(stage: Stage) -> Path:
    """Let processes of other terminals join this site. The file is the user's alone, as the cache is."""
    environment = {name: value for name, value in stage.environment.items() if name.startswith(OURS)}
    file = cache.root() / f"served-{stage.folder.name}.json"
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"checkout": str(ROOT), "environment": environment}))
    return new.replace(file)


def served_stage() -> Stage:
    """Return the site that is served from this checkout; of several the latest. Files of ended runs are removed."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(OURS) and name != "CI"}
    for file in sorted(cache.root().glob("served-*.json"), key=os.path.getmtime, reverse=True):
        about = json.loads(file.read_text())
        if not is_up(Path(about["environment"]["DW_RUN_DIR"])):
            file.unlink(missing_ok=True)
        elif about["checkout"] == str(ROOT):
            return Stage(mine | about["environment"])
    raise Failed(f"No site is served from {ROOT}. Start one with ./dev serve, or leave --served out.")


def is_up(folder: Path) -> bool:
    """Whether the run of this folder lives: its launcher holds the lock."""
    with contextlib.suppress(FileNotFoundError), open(folder / LOCK) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
