"""The commands of `./dev`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from dartwing_core import __version__

from . import checks
from .bench import on_bench
from .launcher import running
from .options import Parser, foreground, options
from .processes import Failed
from .serving import SHOP, in_site, run, serve
from .site import ROOT
from .testing import coverage, test

OPENAPI = ROOT / "docs" / "openapi.json"
POT = (
    *("extract", "dartwing_core", "--mapping-file=pyproject.toml", "--add-location=file", "--sort-output"),
    *("--width=120", "--keywords=__ _lt", "--project=dartwing_core", f"--version={__version__}"),
    *("--copyright-holder=Opensoft", "--msgid-bugs-address=developers@opensoft.one"),
)
"""What pybabel is told; the files and how they are read are in pyproject.toml."""

USAGE = """\
./dev demo              a worker is killed and its job finishes; then forty jobs with failures, and the checks
./dev test [ARG…]       the tests; arguments go to pytest
./dev test --fast       the quick ones, which start no processes, in three minutes
./dev test --bench PATH --site NAME [ARG…]     the same tests on a genuine bench
./dev test --bench PATH --site NAME --desk     the tests of its Desk, in a browser (after `bench build`)
./dev serve [--port N]  a living site: two companies, their people and jobs, job center and REST, until Ctrl-C
./dev serve --empty     the same without them      ./dev serve --handlers FILE     with your own, reloaded on change
./dev run FILE [ARG…]   run a Python file in a site with workers and scheduler, as Administrator
./dev run --served FILE [ARG…]                 the same in the site that ./dev serve keeps up
./dev serve|run|test --app PATH …              with the Frappe app of this folder installed; `test` runs its tests
./dev run|test --handlers FILE …               with the handlers of this file; `test` runs the tests of its folder
./dev bench [NAME]      run benchmarks/NAME.py in a site (without NAME: list them); --bench PATH --site NAME as above
./dev bench all [--json FILE]                  all of them, and their figures as JSON
./dev coverage [ARG…]   the same tests, then which lines and branches of dartwing_core/jobs they reach
./dev lint [CHECK…]     ruff (lint and format), mypy, import-linter, vulture (dead code), oxlint (JavaScript), mkdocs
./dev docs              make the site of the documents, with the reference of the Python API, in .dev/site
./dev pot               renew the template of translations, dartwing_core/locale/main.pot
./dev api               renew docs/openapi.json, the description of REST
./dev prepare           install and build everything, then exit
./dev clean             remove what is kept between runs

Variables: DW_WORKERS=2   DW_ISOLATION=ON|OFF (innodb_snapshot_isolation)   DW_FRESH=1 (build the site anew)
           DW_WEB=1 (run: with web application)   DW_PORT=8000 (serve)
           DW_TICK=60 (seconds of the scheduler)   DW_DURABLE=1 (MariaDB waits for the disk)
           DW_KEEP=1 (keep the run's folder, logs included)
"""


def demo(arguments: list[str]) -> int:
    with running(workers=0, scheduler=False, handlers=[SHOP], **options()) as stage:
        return in_site(stage, ["-m", "standalone.demo", *arguments])


def bench(arguments: list[str]) -> int:
    names = sorted(p.stem for p in (ROOT / "benchmarks").glob("*.py") if not p.stem.startswith("_"))
    parser = Parser(f"./dev bench [--bench PATH --site NAME] NAME [ARG…], NAME one of: {', '.join(names)}")
    parser.add_argument("--bench", type=Path)
    parser.add_argument("--site")
    asked, rest = parser.parse_known_args(arguments)
    if not rest or rest[0] not in names:
        raise Failed(f"Which benchmark? {parser.usage}")
    script = [str(ROOT / "benchmarks" / f"{rest[0]}.py"), *rest[1:]]
    if asked.bench and asked.site:
        with on_bench(asked.bench.resolve(), asked.site) as stage:
            stage.environment["DW_CWD"] = os.getcwd()
            return foreground(stage, [stage.environment["DW_PYTHON"], *script])
    with running(workers=0, scheduler=False, **options()) as stage:  # each starts the processes that it measures
        return in_site(stage, script)


def prepare(_arguments: list[str]) -> int:
    with running(workers=0, scheduler=False, **options()):
        return 0


def pot(_arguments: list[str]) -> int:
    """Renew the template of translations."""
    return checks.run("pybabel", *POT, "--output-file", "dartwing_core/locale/main.pot").returncode


def docs(_arguments: list[str]) -> int:
    """Make the site of the documents."""
    status = checks.run(*checks.CHECKS["docs"]).returncode
    print(f"{ROOT}/.dev/site/index.html")
    return status


def api(_arguments: list[str]) -> int:
    """Renew the reference of REST."""
    from . import alias

    alias.install()
    import dartwing_core.api.jobs  # noqa: F401 - registers the endpoints
    from dartwing_core.api import openapi

    description = openapi.describe()
    OPENAPI.write_text(f"{json.dumps(description, indent=1)}\n")
    print(f"{OPENAPI.relative_to(ROOT)}: {len(description['paths'])} endpoints")
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": demo,
    "test": test,
    "serve": serve,
    "run": run,
    "bench": bench,
    "coverage": coverage,
    "lint": checks.lint,
    "docs": docs,
    "pot": pot,
    "api": api,
    "prepare": prepare,
}


def main(arguments: list[str]) -> int:
    command = COMMANDS.get(arguments[0])
    if not command:
        close = get_close_matches(arguments[0], COMMANDS, 1)
        raise Failed(f"There is no ./dev {arguments[0]}. {f'Did you mean ./dev {close[0]}?' if close else USAGE}")
    return command(arguments[1:])
