"""The pytest plugin of `./dev test`: Frappe can be imported, and the current folder is the bench's `sites`, as it is
for every process of a bench. It runs on a genuine bench's Python (3.10 and later) too, where `frappe` is Frappe."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest

if os.environ.get("DW_MODE") == "standalone":
    from standalone import alias

    alias.install()


@pytest.hookimpl
def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--counts", metavar="FILE", help="write how many tests passed and failed, by folder, as JSON")


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    # Only now: the paths on the command line were meant from the folder pytest was started in.
    if sites := os.environ.get("DW_SITES_PATH"):
        os.chdir(sites)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    file = session.config.getoption("--counts")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not file or not reporter:
        return
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in ("passed", "failed", "error", "skipped", "xfailed", "xpassed"):
        for report in reporter.stats.get(outcome, ()):
            path = report.nodeid.partition("::")[0]
            counts[path.removeprefix("tests/").split("/")[0]][outcome] += 1
    Path(file).write_text(json.dumps(counts))
